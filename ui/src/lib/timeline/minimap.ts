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
