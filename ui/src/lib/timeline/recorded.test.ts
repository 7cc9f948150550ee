// @vitest-environment node
/** That the updates of real runs come to the timelines which the server tells of them, however they are gathered. */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SpanUpdate, Timeline, TimelineSpan } from '$types/trace';
import { GrowingTree } from './growing';

const FOLDER = resolve(import.meta.dirname, '../../../../tests/recorded_logs');

interface Recorded {
  span_updates: SpanUpdate[];
  timeline: Timeline;
}

const logs = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .map((file) => [file, JSON.parse(readFileSync(resolve(FOLDER, file), 'utf-8')) as Recorded] as const);

/** Leaves out what only a run that has ended has. */
function during(spans: readonly TimelineSpan[]): unknown[] {
  return spans.map((span) => ({ ...span, self_ms: null, slack_ms: null, critical: false, batch: null }));
}

/** Returns numbers from 0 to 1 that are the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** Cuts a list in parts of any size, some of them empty. */
function parts<T>(list: readonly T[], random: () => number): T[][] {
  const found: T[][] = [];
  for (let at = 0; at < list.length;) {
    const size = Math.floor(random() * 5);
    found.push(list.slice(at, at + size));
    at += size;
  }
  return found;
}

describe.each(logs)('the recorded log %s', (_, { span_updates: updates, timeline }) => {
  it('has updates that come to its timeline', () => {
    const tree = new GrowingTree();
    for (const update of updates) tree.apply(update.spans);
    expect(during(tree.spans)).toEqual(during(timeline.spans));
    expect(tree.byPath.size).toBe(timeline.total);
    expect(updates.at(-1)?.over).toBe(true);
    expect(updates.at(-1)?.seq).toBe(timeline.seq);
  });

  it('comes to it in parts of any size', () => {
    const all = updates.flatMap((update) => update.spans);
    for (let seed = 1; seed <= 40; seed++) {
      const tree = new GrowingTree();
      for (const part of parts(all, numbers(seed))) tree.apply(part);
      expect(during(tree.spans)).toEqual(during(timeline.spans));
    }
  });

  it('comes to it from each moment at which it is loaded, whichever way the rest is gathered', () => {
    for (let moment = 0; moment <= updates.length; moment++) {
      const before = new GrowingTree();
      for (const update of updates.slice(0, moment)) before.apply(update.spans);
      const rest = updates.slice(moment).flatMap((update) => update.spans);
      for (let seed = 1; seed <= 8; seed++) {
        const tree = new GrowingTree();
        tree.load(before.spans);
        for (const part of parts(rest, numbers(seed * 31 + moment))) tree.apply(part);
        expect(during(tree.spans)).toEqual(during(timeline.spans));
      }
    }
  });

  it('is not changed by what it knows already', () => {
    const tree = new GrowingTree();
    tree.load(timeline.spans);
    tree.apply(timeline.spans);
    expect(tree.spans).toEqual(timeline.spans);
  });
});
