/** The steps of a run as a tree in flat arrays: a step's own come right behind it, up to `last`. */
import { isWork } from '$lib/names';
import { mostTogether } from '$lib/together';
import type { TimelineSpan } from '$types/trace';

export interface Tree {
  readonly spans: readonly TimelineSpan[];
  /** The place of what is above, -1 right below the run. */
  readonly parent: Int32Array;
  /** Behind which place the subtree of a step ends. */
  readonly last: Int32Array;
  /** How deep a row is indented, from 0. */
  readonly depth: Int32Array;
  /** The place of the call that a step is the work of, shown as one row with it; -1 elsewhere. */
  readonly outer: Int32Array;
  readonly place: ReadonlyMap<string, number>;
}

const placed = new WeakMap<readonly string[], { tree: Tree; places: readonly number[] }>();

/** Returns the places of the rows that show some steps, in their order, without those that are not known. */
export function placesOf(tree: Tree, paths: readonly string[]): readonly number[] {
  const found = placed.get(paths);
  if (found?.tree === tree) return found.places;
  const places = paths.map((path) => rowPlace(tree, path)).filter((place) => place >= 0);
  placed.set(paths, { tree, places });
  return places;
}

const known = new WeakMap<readonly TimelineSpan[], Tree>();

/** Returns the tree of steps that are in its order; the same steps have the same tree. */
export function treeOf(spans: readonly TimelineSpan[]): Tree {
  const found = known.get(spans) ?? built(spans);
  known.set(spans, found);
  return found;
}

function built(spans: readonly TimelineSpan[]): Tree {
  const size = spans.length;
  const parent = new Int32Array(size).fill(-1);
  const last = new Int32Array(size).fill(size);
  const outer = new Int32Array(size).fill(-1);
  const depth = new Int32Array(size);
  const place = new Map<string, number>();
  const open: number[] = [];
  for (let at = 0; at < size; at++) {
    const span = spans[at] as TimelineSpan;
    place.set(span.path, at);
    for (let top = open.at(-1); top !== undefined && spans[top]?.path !== span.parent; top = open.at(-1)) {
      last[top] = at;
      open.pop();
    }
    parent[at] = open.at(-1) ?? -1;
    open.push(at);
  }
  for (let at = 0; at < size; at++) {
    const above = parent[at] as number;
    depth[at] = above < 0 ? 0 : (depth[above] as number) + 1;
    const call = above >= 0 && at === above + 1 && spans[above]?.kind === 'call';
    if (call && last[at] === last[above] && isWork(spans[at]?.name ?? '')) {
      outer[at] = above;
      depth[at] = depth[above] as number;
    }
  }
  return { spans, parent, last, depth, outer, place };
}

/** Returns the place of the row that shows a step: a call is shown in the row of its work. */
export function rowPlace(tree: Tree, path: string): number {
  const at = tree.place.get(path) ?? -1;
  return at >= 0 && tree.outer[at + 1] === at ? at + 1 : at;
}

/** Says whether steps are below a row. */
export function isGroup(tree: Tree, at: number): boolean {
  return (tree.last[at] as number) > at + 1;
}

/** Returns the place of the row above a row, -1 for none. */
export function rowAbove(tree: Tree, at: number): number {
  const call = tree.outer[at] as number;
  return tree.parent[call >= 0 ? call : at] as number;
}

/** Returns what a row is called: a call by its tool's name, and the number that tells it from others of that name. */
export function labelOf(tree: Tree, at: number): { name: string; number: string } {
  const call = tree.outer[at] as number;
  const name = tree.spans[call >= 0 ? call : at]?.name ?? '';
  const cut = name.lastIndexOf('#');
  return cut > 0 ? { name: name.slice(0, cut), number: name.slice(cut) } : { name, number: '' };
}

const counted = new WeakMap<Tree, Map<number, number>>();

/** Returns how many of the steps right below one ran at once at the most. */
export function mostAtOnce(tree: Tree, at: number, now: number): number {
  const counts = counted.get(tree) ?? new Map<number, number>();
  counted.set(tree, counts);
  const most = counts.get(at) ?? counting(tree, at, now);
  counts.set(at, most);
  return most;
}

function counting(tree: Tree, at: number, now: number): number {
  const stretches: [number, number][] = [];
  for (let child = at + 1; child < (tree.last[at] as number); child = tree.last[child] as number) {
    const span = tree.spans[child];
    if (!span || span.start_ms === null) continue;
    stretches.push([span.start_ms, span.end_ms ?? now]);
  }
  return mostTogether(stretches);
}

/** Which rows are closed: all from a level on (null: none), except those that a person has turned. */
export interface Folding {
  readonly level: number | null;
  readonly turned: ReadonlySet<string>;
}

/** Returns rows that are open down to so many levels; null is all of them. */
export function openTo(levels: number | null): Folding {
  return { level: levels === null ? null : levels - 1, turned: new Set() };
}

/** Says whether a row hides what is below it. */
export function isClosed(tree: Tree, at: number, folding: Folding): boolean {
  const byLevel = folding.level !== null && (tree.depth[at] as number) >= folding.level;
  return byLevel !== folding.turned.has(tree.spans[at]?.path ?? '');
}

const allOpen = new WeakMap<Tree, Int32Array>();

/** Returns the places of the rows to show; with `wanted` only those and what is above them, whatever is closed. */
export function visibleRows(tree: Tree, folding: Folding, wanted: Uint8Array | null): Int32Array {
  if (wanted !== null || folding.level !== null || folding.turned.size > 0)
    return rowsOf(tree, folding, wanted);
  const rows = allOpen.get(tree) ?? rowsOf(tree, folding, null);
  allOpen.set(tree, rows);
  return rows;
}

function rowsOf(tree: Tree, folding: Folding, wanted: Uint8Array | null): Int32Array {
  const size = tree.spans.length;
  const found = new Int32Array(size);
  const kept = wanted && withAncestors(tree, wanted);
  let count = 0;
  for (let at = 0; at < size;) {
    if (at + 1 < size && tree.outer[at + 1] === at) {
      at++;
      continue;
    }
    if (kept && !kept[at]) {
      at++;
      continue;
    }
    found[count++] = at;
    const closed = !kept && isGroup(tree, at) && isClosed(tree, at, folding);
    at = closed ? (tree.last[at] as number) : at + 1;
  }
  return found.slice(0, count);
}

function withAncestors(tree: Tree, wanted: Uint8Array): Uint8Array {
  const kept = wanted.slice();
  for (let at = kept.length - 1; at >= 0; at--) {
    const above = tree.parent[at] as number;
    if (kept[at] && above >= 0) kept[above] = 1;
  }
  return kept;
}

/** Turns one row, or with `whole` everything below it the same way. */
export function turn(tree: Tree, at: number, folding: Folding, whole: boolean): Folding {
  const closed = isClosed(tree, at, folding);
  const turned = new Set(folding.turned);
  const end = whole ? (tree.last[at] as number) : at + 1;
  for (let row = at; row < end; row++) {
    if (!isGroup(tree, row) || isClosed(tree, row, { level: folding.level, turned }) !== closed) continue;
    const path = tree.spans[row]?.path ?? '';
    if (!turned.delete(path)) turned.add(path);
  }
  return { level: folding.level, turned };
}

/** Opens everything above a row. */
export function revealed(tree: Tree, at: number, folding: Folding): Folding {
  let found = folding;
  for (let above = rowAbove(tree, at); above >= 0; above = rowAbove(tree, above)) {
    if (isClosed(tree, above, found)) found = turn(tree, above, found, false);
  }
  return found;
}
