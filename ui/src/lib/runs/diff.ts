/** What differs between two values, line by line of their JSON. */

export interface DiffLine {
  /** In both, only before, only after; or how many equal lines are left out. */
  kind: 'same' | 'before' | 'after' | 'skipped';
  text: string;
  count: number;
}

const AROUND = 3;
/** More comparisons of lines than this are not made: what differs is then told as a whole. */
const MOST = 1_000_000;

/** Returns a value as lines of JSON. */
export function linesOf(value: unknown): string[] {
  if (value === undefined) return [];
  return (typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? String(value))).split('\n');
}

/** Returns the lines of both with what was taken away and what came, equal stretches shortened. */
export function diffOf(before: readonly string[], after: readonly string[]): DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  )
    end++;
  return shortened([
    ...before.slice(0, start).map((text) => line('same', text)),
    ...middle(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...before.slice(before.length - end).map((text) => line('same', text)),
  ]);
}

function line(kind: DiffLine['kind'], text: string, count = 1): DiffLine {
  return { kind, text, count };
}

/** The longest common subsequence of the lines, by the table of dynamic programming. */
function middle(before: readonly string[], after: readonly string[]): DiffLine[] {
  const [rows, columns] = [before.length, after.length];
  if (rows * columns > MOST || rows === 0 || columns === 0)
    return [...before.map((text) => line('before', text)), ...after.map((text) => line('after', text))];
  const wide = columns + 1;
  const table = new Uint32Array((rows + 1) * wide);
  const at = (row: number, column: number) => table[row * wide + column] ?? 0;
  for (let row = rows - 1; row >= 0; row--)
    for (let column = columns - 1; column >= 0; column--)
      table[row * wide + column] =
        before[row] === after[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
  const found: DiffLine[] = [];
  let [row, column] = [0, 0];
  while (row < rows || column < columns) {
    const [ours, theirs] = [before[row], after[column]];
    if (row < rows && column < columns && ours === theirs) {
      found.push(line('same', ours ?? ''));
      row++;
      column++;
    } else if (row < rows && (column >= columns || at(row + 1, column) >= at(row, column + 1))) {
      found.push(line('before', ours ?? ''));
      row++;
    } else {
      found.push(line('after', theirs ?? ''));
      column++;
    }
  }
  return found;
}

function shortened(lines: readonly DiffLine[]): DiffLine[] {
  const found: DiffLine[] = [];
  let run: DiffLine[] = [];
  const put = (last: boolean) => {
    const [head, tail] = [found.length ? AROUND : 0, last ? 0 : AROUND];
    if (run.length > head + tail + 1) {
      found.push(...run.slice(0, head), line('skipped', '', run.length - head - tail));
      found.push(...run.slice(run.length - tail));
    } else found.push(...run);
    run = [];
  };
  for (const each of lines) {
    if (each.kind === 'same') run.push(each);
    else {
      put(false);
      found.push(each);
    }
  }
  if (found.length) put(true);
  else found.push(...run);
  return found;
}
