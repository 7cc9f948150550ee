/** The picture of a whole run in a few pixels: for each the status that matters most. */
import type { Axis } from './axis';
import type { Tree } from './tree';

/** Statuses from the least to the most telling; a pixel shows the last one in it. */
const RANKS = [
  '',
  'pending',
  'skipped',
  'completed',
  'cancelled',
  'running',
  'waiting',
  'abandoned',
  'timed_out',
  'failed',
];
const COLOURS: Readonly<Record<string, string>> = {
  pending: '--pending',
  skipped: '--pending',
  completed: '--completed',
  cancelled: '--cancelled',
  running: '--running',
  waiting: '--waiting',
  abandoned: '--error',
  timed_out: '--error',
  failed: '--error',
};
/** The rank that leaves of the critical path have instead of `completed`. */
export const CRITICAL = RANKS.length;

/** Returns the token of a rank's colour. */
export function rankColour(rank: number): string {
  return rank === CRITICAL ? '--critical' : (COLOURS[RANKS[rank] ?? ''] ?? '--pending');
}

const RANK = new Map(RANKS.map((status, rank) => [status, rank]));

interface Drawn {
  readonly of: string;
  readonly cells: Uint8Array;
}
const drawn = new WeakMap<Tree, Drawn>();

/** Returns what `grid` does; of a tree that is shown again the same way it is known. */
export function knownGrid(...asked: Parameters<typeof grid>): Uint8Array {
  const [tree, axis, ...more] = asked;
  const of = [axis.extent, ...axis.gaps.flatMap((gap) => [gap.from, gap.to]), ...more].join();
  const found = drawn.get(tree);
  if (found?.of === of) return found.cells;
  const cells = grid(...asked);
  drawn.set(tree, { of, cells });
  return cells;
}

/** Returns for each of `width` × `lanes` pixels which rank it shows, lane by lane; 0 is empty. */
export function grid(
  tree: Tree,
  axis: Axis,
  length: number,
  width: number,
  lanes: number,
  now: number,
  critical: boolean,
): Uint8Array {
  const cells = new Uint8Array(width * lanes);
  const size = tree.spans.length;
  const leaves = size > lanes;
  tree.spans.forEach((span, at) => {
    if (span.start_ms === null || (leaves && (tree.last[at] as number) > at + 1)) return;
    const lane = Math.min(lanes - 1, Math.floor((at / size) * lanes));
    const from = Math.max(0, Math.floor((axis.place(span.start_ms) / length) * width));
    const to = Math.min(
      width - 1,
      Math.max(from, Math.ceil((axis.place(span.end_ms ?? now) / length) * width) - 1),
    );
    const status = RANK.get(span.status) ?? 0;
    const rank = critical && span.critical && span.status === 'completed' ? CRITICAL : status;
    const base = lane * width;
    for (let x = from; x <= to; x++) {
      const there = cells[base + x] as number;
      if (order(rank) > order(there)) cells[base + x] = rank;
    }
  });
  return cells;
}

function order(rank: number): number {
  return rank === CRITICAL ? 3.5 : rank;
}

/** What is stacked over each pixel of a large run, from below: by the status that stands for the others like it. */
const STACK = ['failed', 'waiting', 'running', 'cancelled', 'completed'];
const LIKE: Readonly<Record<string, string>> = { abandoned: 'failed', timed_out: 'failed' };

export interface Load {
  /** The token of its colour. */
  readonly colour: string;
  /** How many steps ran at once on average, for each pixel. */
  readonly counts: Float64Array;
}

const loaded = new WeakMap<Tree, { of: string; loads: Load[] }>();

/** Returns how many operations ran at once, by status, for each of `width` pixels: the picture of very many steps. */
export function loadsOf(tree: Tree, axis: Axis, length: number, width: number, now: number): Load[] {
  const of = [axis.extent, ...axis.gaps.flatMap((gap) => [gap.from, gap.to]), length, width, now].join();
  const found = loaded.get(tree);
  if (found?.of === of) return found.loads;
  const loads = STACK.map((status) => ({
    colour: COLOURS[status] ?? '--pending',
    counts: new Float64Array(width + 1),
  }));
  const places = new Map(STACK.map((status, at) => [status, at]));
  tree.spans.forEach((span, at) => {
    if (span.start_ms === null || (tree.last[at] as number) > at + 1) return;
    const load = loads[places.get(LIKE[span.status] ?? span.status) ?? -1];
    if (!load) return;
    const from = (axis.place(span.start_ms) / length) * width;
    add(load.counts, from, (axis.place(span.end_ms ?? now) / length) * width);
  });
  loaded.set(tree, { of, loads });
  return loads;
}

/** Adds a stretch of pixels, of the first and the last as much as it takes of them. */
function add(counts: Float64Array, from: number, to: number): void {
  const last = Math.min(Math.floor(to), counts.length - 1);
  for (let x = Math.max(0, Math.floor(from)); x <= last; x++) {
    counts[x] = (counts[x] as number) + Math.max(Math.min(to, x + 1) - Math.max(from, x), 0);
  }
}

/** Calls back with each bar of the stacks, `high` pixels high at the most; what is there at all is seen. */
export function stacks(
  loads: readonly Load[],
  high: number,
  draw: (colour: string, x: number, y: number, tall: number) => void,
): void {
  const width = loads[0]?.counts.length ?? 0;
  const sums = Array.from({ length: width }, (_, x) =>
    loads.reduce((sum, { counts }) => sum + (counts[x] as number), 0),
  );
  const most = Math.max(...sums, 1e-9);
  for (let x = 0; x < width; x++) {
    let y = high;
    for (const { colour, counts } of loads) {
      const count = counts[x] as number;
      if (count <= 0) continue;
      const tall = Math.min(y, Math.max((count / most) * high, 2.5));
      y -= tall;
      draw(colour, x, y, tall);
    }
  }
}

/** Calls back with each horizontal run of pixels of one rank. */
export function runs(
  cells: Uint8Array,
  width: number,
  draw: (rank: number, x: number, lane: number, long: number) => void,
): void {
  for (let start = 0; start < cells.length; start += width) {
    for (let x = 0; x < width;) {
      const rank = cells[start + x] as number;
      let end = x + 1;
      while (end < width && cells[start + end] === rank) end++;
      if (rank) draw(rank, x, start / width, end - x);
      x = end;
    }
  }
}
