// @vitest-environment node
/** Tabs without a shared worker: one of them leads, and what is lost between two leaders is said to all. */
import { expect, test, vi } from 'vitest';
import { connect } from './link';
import type { Told } from './told';

class Stream extends EventTarget {
  static all: Stream[] = [];
  onopen: (() => void) | null = null;
  constructor() {
    super();
    Stream.all.push(this);
  }
  close(): void {}
}

/** Gives one lock to one after the other. */
class Locks {
  #free = Promise.resolve();
  request(_name: string, options: { signal: AbortSignal }, held: () => Promise<void>): Promise<void> {
    this.#free = this.#free.then(() => (options.signal.aborted ? undefined : held()));
    return this.#free;
  }
}

test('a new leader has every tab that heard the old one load anew, the first leader none', async () => {
  vi.stubGlobal('EventSource', Stream);
  vi.stubGlobal('navigator', { locks: new Locks() });
  const told: string[][] = [[], [], []];
  const take = (place: number) => (each: Told) => {
    if (each.kind === 'events') told[place]?.push(...each.events.map(([name]) => name));
  };
  const first = connect('/x', take(0));
  const others = [connect('/x', take(1)), connect('/x', take(2))];
  await vi.waitFor(() => expect(Stream.all.length).toBe(1));
  Stream.all[0]?.onopen?.();
  Stream.all[0]?.dispatchEvent(new MessageEvent('run_update', { data: '{}', lastEventId: '1' }));
  await vi.waitFor(() => expect(told).toEqual([['run_update'], ['run_update'], ['run_update']]));
  first.close();
  await vi.waitFor(() => expect(Stream.all.length).toBe(2));
  Stream.all[1]?.onopen?.();
  const lost = ['run_update', 'stream_reset'];
  await vi.waitFor(() => expect(told).toEqual([['run_update'], lost, lost]));
  for (const each of others) each.close();
});
