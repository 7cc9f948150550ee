/** Two runs beside each other: their steps in pairs, what differs between them, and which differ most. */
import { shortName, shownName } from '$lib/names';
import type { Query } from '$lib/router.svelte';
import type { TimelineSpan } from '$types/trace';

export const SIDES = ['all', 'different', 'first', 'second'] as const;
export type Side = (typeof SIDES)[number];
export const ORDERS = ['changed', 'slower', 'tree'] as const;
export type Order = (typeof ORDERS)[number];

export interface Pair {
  /** As the first run has it. */
  path: string;
  /** As the second run has it: another where its workflow has another name. */
  otherPath: string;
  name: string;
  kind: string;
  depth: number;
  first: TimelineSpan | null;
  second: TimelineSpan | null;
  /** The second less the first; null where one has not begun. Milliseconds, tokens, US dollars. */
  time: number | null;
  tokens: number | null;
  cost: number | null;
  /** The same of the time in which it worked by itself: what a step has to answer for. */
  self: number;
  /** Whether they differ in more than time: in how it ended, how often it was tried, in tokens, or one lacks it. */
  different: boolean;
}

/** Returns how long a step took; what still runs, until `now` (milliseconds). */
function tookOf(span: TimelineSpan | null, now: number): number | null {
  if (!span || span.start_ms === null) return null;
  return Math.max(0, (span.end_ms ?? now) - span.start_ms);
}

function topOf(spans: readonly TimelineSpan[]): string | null {
  const tops = spans.filter((span) => span.parent === '' && span.path !== '');
  return tops.length === 1 ? (tops[0]?.path ?? null) : null;
}

/** Returns the steps of two runs in pairs: in the order of the first, then those that only the second has. */
export function pairsOf(
  first: readonly TimelineSpan[],
  second: readonly TimelineSpan[],
  now: { first: number; second: number },
): Pair[] {
  const [ours, theirs] = [topOf(first), topOf(second)];
  const renamed = ours !== null && theirs !== null && ours !== theirs;
  const placed = (path: string) => (renamed ? ours + path.slice(theirs.length) : path);
  const others = new Map(second.map((span) => [placed(span.path), span]));
  const known = new Set(first.map((span) => span.path));
  const pairs = first.map((span) => pairOf(span.path, span, others.get(span.path) ?? null, now));
  for (const [path, span] of others) if (!known.has(path)) pairs.push(pairOf(path, null, span, now));
  return pairs;
}

function pairOf(
  path: string,
  first: TimelineSpan | null,
  second: TimelineSpan | null,
  now: { first: number; second: number },
): Pair {
  const one = first ?? second;
  const [before, after] = [tookOf(first, now.first), tookOf(second, now.second)];
  const time = before !== null && after !== null ? after - before : null;
  const tokens = first && second ? second.tokens - first.tokens : null;
  const [costs, paid] = [first?.cost ?? null, second?.cost ?? null];
  const differs =
    !first ||
    !second ||
    first.status !== second.status ||
    first.attempts !== second.attempts ||
    first.tokens !== second.tokens;
  return {
    path,
    otherPath: second?.path ?? path,
    name: shownName(shortName(path)),
    kind: one?.kind ?? '',
    depth: Math.max(path.split('/').length - 1, 0),
    first,
    second,
    time,
    tokens,
    cost: costs !== null && paid !== null ? paid - costs : null,
    self: selfOf(second, after) - selfOf(first, before),
    different: differs,
  };
}

function selfOf(span: TimelineSpan | null, took: number | null): number {
  return span ? (span.self_ms ?? took ?? 0) : 0;
}

/** Returns the pairs that are asked for by side and text. */
export function chosen(pairs: readonly Pair[], side: Side, text: string): Pair[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return pairs.filter((pair) => {
    if (side === 'different' && !pair.different) return false;
    if (side === 'first' && pair.second) return false;
    if (side === 'second' && pair.first) return false;
    const said = `${pair.path} ${pair.kind}`.toLowerCase();
    return words.every((word) => said.includes(word));
  });
}

/** Returns how many pairs each side has. */
export function countsOf(pairs: readonly Pair[]): Record<Side, number> {
  const counts = { all: pairs.length, different: 0, first: 0, second: 0 };
  for (const pair of pairs) {
    if (pair.different) counts.different++;
    if (!pair.second) counts.first++;
    else if (!pair.first) counts.second++;
  }
  return counts;
}

/** Puts pairs in order: what ended differently and then what changed most, what became slower, or as they ran. */
export function ordered(pairs: readonly Pair[], order: Order): Pair[] {
  if (order === 'tree') return [...pairs];
  if (order === 'slower') return pairs.toSorted((one, other) => other.self - one.self);
  const outcome = (pair: Pair) =>
    Number(!pair.first || !pair.second || pair.first.status !== pair.second.status);
  return pairs.toSorted(
    (one, other) => outcome(other) - outcome(one) || Math.abs(other.self) - Math.abs(one.self),
  );
}

/** Reads how pairs are shown from the address. */
export function shownOf(query: Query): { side: Side; order: Order; text: string } {
  return {
    side: SIDES.find((each) => each === query.which) ?? 'all',
    order: ORDERS.find((each) => each === query.order) ?? 'changed',
    text: query.q ?? '',
  };
}
