/** Lines from step to step over the rows: the critical path, and what the selected step waited for. */
import { pixel } from './bars';
import { ROW, type Board } from './board.svelte';
import { rowPlace } from './tree';

function middle(row: number, scroll: number): number {
  return row * ROW + ROW / 2 - scroll;
}

/** Returns a line from one point to another that leaves downwards or upwards and bends once. */
export function bent(x1: number, y1: number, x2: number, y2: number): string {
  const turn = Math.max(x1, Math.min(x2, x1 + 4));
  return `M${x1.toFixed(1)} ${y1.toFixed(1)}H${turn.toFixed(1)}V${y2.toFixed(1)}H${x2.toFixed(1)}`;
}

/** Returns the lines that connect the operations of the critical path, as far as they are in sight. */
export function chain(board: Board, first: number, count: number, scroll: number): string[] {
  const { path, pathRows, frame } = board;
  const found: string[] = [];
  const seen = (row: number) => row >= first - 40 && row <= first + count + 40;
  for (let at = 1; at < path.length; at++) {
    const [above, row] = [pathRows[at - 1] as number, pathRows[at] as number];
    if (above < 0 || row < 0 || !(seen(row) || seen(above))) continue;
    const before = board.spanAt(path[at - 1] as number);
    const span = board.spanAt(path[at] as number);
    if (!before || !span || before.start_ms === null || span.start_ms === null) continue;
    const from = pixel(frame, before.end_ms ?? frame.now);
    const to = pixel(frame, span.start_ms);
    if (to < 0 || from > frame.width) continue;
    const towards = row > above ? 8 : -8;
    const y1 = middle(above, scroll) + towards;
    found.push(bent(from, y1, Math.max(from, to), middle(row, scroll) - towards));
  }
  return found;
}

/** Returns the line from the end of one step to the beginning of another; null when either has no row. */
export function arrow(board: Board, from: string, to: string, scroll: number): string | null {
  const [one, other] = [rowPlace(board.tree, from), rowPlace(board.tree, to)];
  const [a, b] = [board.spanAt(one), board.spanAt(other)];
  if (!a || !b || a.end_ms === null || b.start_ms === null) return null;
  const rows = [board.rowOf(one), board.rowOf(other)] as const;
  if (rows[0] < 0 || rows[1] < 0) return null;
  const x1 = pixel(board.frame, a.end_ms);
  const x2 = pixel(board.frame, b.start_ms);
  return bent(x1, middle(rows[0], scroll), Math.max(x2, x1), middle(rows[1], scroll));
}
