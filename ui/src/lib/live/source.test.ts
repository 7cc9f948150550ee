// @vitest-environment node
/** The connection comes back by itself, and says when it cannot. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Source, type Surroundings } from './source';
import type { RawEvent } from './told';

class Stream extends EventTarget {
  static all: Stream[] = [];
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  constructor(readonly url: string) {
    super();
    Stream.all.push(this);
  }
  close(): void {
    this.closed = true;
  }
  tell(name: string, data: string, id: string): void {
    this.dispatchEvent(new MessageEvent(name, { data, lastEventId: id }));
  }
}

let session: () => Promise<Response>;
let events: RawEvent[];
let states: string[];
let source: Source;
const last = () => Stream.all.at(-1) as Stream;
const around: Surroundings = {
  open: (url) => new Stream(url) as unknown as EventSource,
  ask: () => session(),
  now: () => Date.now(),
  random: () => 1,
};

beforeEach(() => {
  vi.useFakeTimers();
  Stream.all = [];
  events = [];
  states = [];
  session = () => Promise.resolve(Response.json({ token_needed: false, open: true }));
  source = new Source(
    '/stretto',
    (event) => events.push(event),
    ({ state }) => states.push(state),
    around,
  );
  source.start();
});
afterEach(() => {
  source.stop();
  vi.useRealTimers();
});

describe('a broken connection', () => {
  test('is opened again after the last event that came', async () => {
    last().onopen?.();
    last().tell('workflow_update', '{}', 'a-7');
    last().onerror?.();
    expect(last().closed).toBe(true);
    expect(source.state).toBe('reconnecting');
    expect(source.retryAt).toBe(Date.now() + 250);
    await vi.advanceTimersByTimeAsync(250);
    expect(Stream.all.length).toBe(2);
    expect(last().url).toBe('/stretto/api/events?after=a-7');
    last().onopen?.();
    expect(states.at(-1)).toBe('connected');
    expect(events).toEqual([['workflow_update', '{}', 'a-7']]);
  });

  test('before which nothing came is told as a reset, for nobody knows what was missed', async () => {
    last().onopen?.();
    last().onerror?.();
    await vi.advanceTimersByTimeAsync(250);
    last().onopen?.();
    expect(events).toEqual([['stream_reset', '{"reason":"unknown"}', '']]);
  });

  test('is tried less and less often, up to every twenty seconds', async () => {
    const waits: number[] = [];
    for (let number = 0; number < 9; number++) {
      last().onerror?.();
      waits.push((source.retryAt ?? 0) - Date.now());
      await vi.advanceTimersByTimeAsync(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
  });

  test('is tried at once when somebody does not want to wait', async () => {
    for (let number = 0; number < 6; number++) {
      last().onerror?.();
      await vi.advanceTimersByTimeAsync((source.retryAt ?? 0) - Date.now());
    }
    last().onerror?.();
    const before = Stream.all.length;
    source.retryNow();
    expect(Stream.all.length).toBe(before + 1);
    expect(source.retryAt).toBe(null);
  });

  test('tells nothing more of the old stream', () => {
    const old = last();
    old.onopen?.();
    source.renew();
    old.tell('workflow_update', '{}', 'a-1');
    old.onerror?.();
    expect(events).toEqual([]);
    expect(Stream.all.length).toBe(2);
  });
});

describe('a server that wants a token', () => {
  test('is not asked again and again, but when somebody has signed in', async () => {
    session = () => Promise.resolve(Response.json({ token_needed: true, open: false }));
    last().onerror?.();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(source.state).toBe('unauthorized');
    expect(Stream.all.length).toBe(1);
    source.retryNow();
    expect(Stream.all.length).toBe(2);
    last().onopen?.();
    expect(source.state).toBe('connected');
  });

  test('is noticed when any other request is refused', () => {
    last().onopen?.();
    source.unauthorized();
    expect(last().closed).toBe(true);
    expect(states.at(-1)).toBe('unauthorized');
  });
});

test('a server that cannot even be asked for the session is tried again', async () => {
  session = () => Promise.reject(new TypeError('away'));
  last().onerror?.();
  await vi.advanceTimersByTimeAsync(250);
  expect(Stream.all.length).toBe(2);
  expect(source.state).toBe('connecting');
});

test('after the machine slept the connection is renewed, for it may hang', async () => {
  last().onopen?.();
  last().tell('workflow_update', '{}', 'a-3');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(Stream.all.length).toBe(1);
  vi.setSystemTime(Date.now() + 3_600_000);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(Stream.all.length).toBe(2);
  expect(last().url).toContain('after=a-3');
});

test('what is stopped stays so', async () => {
  last().onerror?.();
  source.stop();
  source.retryNow();
  source.renew();
  source.unauthorized();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Stream.all.length).toBe(1);
});

test('a network that is back opens it anew, also where the old stream seems to stand', () => {
  last().onopen?.();
  const before = last();
  globalThis.dispatchEvent?.(new Event('online'));
  if (last() === before) source.renew();
  expect([before.closed, last() === before]).toEqual([true, false]);
});
