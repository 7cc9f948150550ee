// @vitest-environment node
/** One connection for all tabs: each hears everything, and a slow one holds up nobody. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Ports, sizeOf, type TabPort } from './ports';
import type { Surroundings } from './source';
import type { EventsTold, LinkTold, Told } from './told';

class Stream extends EventTarget {
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  close(): void {
    this.closed = true;
  }
}

class Tab implements TabPort {
  told: Told[] = [];
  postMessage(told: Told): void {
    this.told.push(told);
  }
  get events(): string[] {
    return this.told
      .filter((each): each is EventsTold => each.kind === 'events')
      .flatMap((each) => each.events.map(([name, data]) => `${name} ${data.slice(0, 20)}`));
  }
  get link(): LinkTold | undefined {
    return this.told.findLast((each): each is LinkTold => each.kind === 'link');
  }
}

let streams: Stream[];
let release: Map<string, () => void>;
let ports: Ports;
const around: Surroundings = {
  open: () => {
    streams.push(new Stream());
    return streams.at(-1) as unknown as EventSource;
  },
  ask: () => Promise.resolve(Response.json({})),
  now: () => Date.now(),
  random: () => 1,
};

function tell(data: string): void {
  streams.at(-1)?.dispatchEvent(new MessageEvent('workflow_update', { data, lastEventId: 'a-1' }));
}

function join(lock: string | null = null): Tab {
  const tab = new Tab();
  ports.said(tab, { kind: 'hello', root: '', lock });
  return tab;
}

beforeEach(() => {
  vi.useFakeTimers();
  streams = [];
  release = new Map();
  ports = new Ports((lock) => new Promise((free) => release.set(lock, free)), around);
});
afterEach(() => vi.useRealTimers());

test('twenty tabs have one connection, and are told how many they are', () => {
  const tabs = Array.from({ length: 20 }, () => join());
  expect(streams.length).toBe(1);
  expect(ports.count).toBe(20);
  streams[0]?.onopen?.();
  expect(tabs.map((tab) => [tab.link?.state, tab.link?.tabs])).toEqual(tabs.map(() => ['connected', 20]));
});

test('a lone event is told at once, those right behind it together', () => {
  const tab = join();
  vi.advanceTimersByTime(100);
  for (const data of ['1', '2', '3']) tell(data);
  expect(tab.events).toEqual(['workflow_update 1']);
  vi.advanceTimersByTime(12);
  expect(tab.events).toEqual(['workflow_update 1', 'workflow_update 2', 'workflow_update 3']);
  expect(tab.told.filter((each) => each.kind === 'events').length).toBe(2);
});

test('a tab that comes later hears only what comes then', () => {
  const first = join();
  vi.advanceTimersByTime(100);
  tell('1');
  tell('2');
  const second = join();
  vi.advanceTimersByTime(100);
  tell('3');
  expect(first.events.length).toBe(3);
  expect(second.events).toEqual(['workflow_update 3']);
});

test('a tab that says nothing any more is noticed by its lock, and the last one ends the connection', async () => {
  join('one');
  const other = join('two');
  release.get('one')?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(ports.count).toBe(1);
  expect(other.link?.tabs).toBe(1);
  ports.said(other, { kind: 'bye' });
  expect(ports.count).toBe(0);
  expect(streams[0]?.closed).toBe(true);
  join();
  expect(streams.length).toBe(2);
});

test('a tab that takes nothing is not sent more and more, and loads anew when it is back', () => {
  const quick = join();
  const frozen = join();
  const large = 'x'.repeat(300_000);
  for (let number = 0; number < 40; number++) {
    tell(large);
    for (const told of quick.told.splice(0)) ports.said(quick, { kind: 'taken', size: sizeOf(told) });
  }
  const sent = frozen.told.reduce((sum, told) => sum + sizeOf(told), 0);
  expect(sent).toBeLessThanOrEqual(8_000_000);
  expect(sent).toBeGreaterThan(7_000_000);
  frozen.told = [];
  ports.said(frozen, { kind: 'taken', size: sent });
  expect(frozen.events).toEqual(['stream_reset {"reason":"behind"}']);
  tell('again');
  vi.advanceTimersByTime(20);
  expect(frozen.events.at(-1)).toBe('workflow_update again');
});

test('what a tab wants of the connection is done', async () => {
  const tab = join();
  streams[0]?.onopen?.();
  ports.said(tab, { kind: 'unauthorized' });
  expect(tab.link?.state).toBe('unauthorized');
  ports.said(tab, { kind: 'retry' });
  expect(streams.length).toBe(2);
  ports.said(new Tab(), { kind: 'taken', size: 1 });
  ports.said(new Tab(), { kind: 'bye' });
  expect(ports.count).toBe(1);
});
