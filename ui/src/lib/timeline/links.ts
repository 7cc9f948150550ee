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
  const found: string[] = [];
  let before: { row: number; end: number } | null = null;
  for (const place of board.path) {
    const span = board.spanAt(place);
    const row = board.rowOf(place);
    if (!span || row < 0 || span.start_ms === null) {
      before = null;
      continue;
    }
    const seen = (one: number) => one >= first - 40 && one <= first + count + 40;
    if (before && (seen(row) || seen(before.row))) {
      const from = pixel(board.frame, before.end);
      const to = pixel(board.frame, span.start_ms);
      const down = row > before.row;
      const y1 = middle(before.row, scroll) + (down ? 8 : -8);
      const y2 = middle(row, scroll);
      if (to >= 0 && from <= board.width)
        found.push(bent(from, y1, Math.max(from, to), y2 + (down ? -8 : 8)));
    }
    before = { row, end: span.end_ms ?? board.now };
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
