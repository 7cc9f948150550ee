/** A plan as columns of operations that may run together, set against how they ran; without a plan, what did run together. */
import type { PlanEdge, PlanItem } from '$types/plan';
import type { TimelineSpan } from '$types/trace';

export type Step = Pick<
  TimelineSpan,
  'path' | 'parent' | 'name' | 'kind' | 'status' | 'start_ms' | 'end_ms' | 'batch' | 'critical'
>;
export type Steps = ReadonlyMap<string, Step>;

export interface Card {
  id: string;
  /** The path of its step in the run. */
  path: string;
  label: string;
  kind: string;
  status: string;
  critical: boolean;
  /** Milliseconds; null where nobody said, or while nobody knows. */
  estimate: number | null;
  took: number | null;
  start: number | null;
  /** Why it waits for others, and others for it. */
  before: readonly PlanEdge[];
  after: readonly PlanEdge[];
}

export interface Column {
  cards: Card[];
}

/** What a plan took in the end, in milliseconds; null while something still runs or has not begun. */
export interface Actual {
  wall: number | null;
  work: number;
  /** How many of the operations have ended. */
  ended: number;
  of: number;
}

/** Returns the columns of a plan. */
export function columnsOf(plan: PlanItem, steps: Steps): Column[] {
  const critical = new Set(plan.critical_path);
  const before = grouped(plan.edges, 'target');
  const after = grouped(plan.edges, 'origin');
  return plan.batches.map((batch) => ({
    cards: batch.operations.map((operation) => {
      const step = steps.get(operation.path);
      return {
        id: operation.id,
        path: operation.path,
        label: operation.id,
        kind: operation.type ?? step?.kind ?? '',
        status: step?.status ?? 'pending',
        critical: critical.has(operation.id),
        estimate: operation.seconds === null ? null : operation.seconds * 1000,
        took: tookOf(step),
        start: step?.start_ms ?? null,
        before: before.get(operation.id) ?? [],
        after: after.get(operation.id) ?? [],
      };
    }),
  }));
}

function grouped(edges: readonly PlanEdge[], by: 'origin' | 'target'): Map<string, PlanEdge[]> {
  const found = new Map<string, PlanEdge[]>();
  for (const edge of edges) found.set(edge[by], [...(found.get(edge[by]) ?? []), edge]);
  return found;
}

function tookOf(step: Step | undefined): number | null {
  return !step || step.start_ms === null || step.end_ms === null ? null : step.end_ms - step.start_ms;
}

/** Returns what the operations of a plan took. */
export function actualOf(columns: readonly Column[]): Actual {
  const cards = columns.flatMap((column) => column.cards);
  const over = cards.filter((card) => card.took !== null);
  const skipped = cards.filter((card) => card.took === null && card.status === 'skipped').length;
  const starts = over.map((card) => card.start ?? 0);
  const ends = over.map((card) => (card.start ?? 0) + (card.took ?? 0));
  const whole = over.length > 0 && over.length + skipped === cards.length;
  return {
    wall: whole ? Math.max(...ends) - Math.min(...starts) : null,
    work: over.reduce((sum, card) => sum + (card.took ?? 0), 0),
    ended: over.length + skipped,
    of: cards.length,
  };
}

/** Returns what ran together in a run, in the order of time: each operation stands beside those that it overlapped. */
export function ranTogether(spans: readonly Step[]): Column[] {
  const parents = new Set(spans.filter((span) => span.start_ms !== null).map((span) => span.parent));
  const names = new Map(spans.map((span) => [span.path, span]));
  const leaves = spans
    .filter((span) => span.start_ms !== null && !parents.has(span.path))
    .sort((a, b) => (a.start_ms ?? 0) - (b.start_ms ?? 0));
  const columns: Column[] = [];
  let end = -Infinity;
  let batch: number | null = null;
  for (const leaf of leaves) {
    const start = leaf.start_ms ?? 0;
    const same =
      leaf.batch !== null || batch !== null ? leaf.batch !== null && leaf.batch === batch : start < end;
    if (!same || columns.length === 0) columns.push({ cards: [] });
    columns.at(-1)?.cards.push(cardOf(leaf, names));
    batch = leaf.batch;
    end = Math.max(end, leaf.end_ms ?? Infinity);
  }
  return columns;
}

function cardOf(leaf: Step, names: Steps): Card {
  const parent = names.get(leaf.parent);
  return {
    id: leaf.path,
    path: leaf.path,
    label: parent?.kind === 'call' ? parent.name : leaf.name,
    kind: leaf.kind,
    status: leaf.status,
    critical: leaf.critical,
    estimate: null,
    took: tookOf(leaf),
    start: leaf.start_ms,
    before: [],
    after: [],
  };
}

/** How large cards are, and how far apart they stand (pixels). */
export const SIZE = { width: 212, height: 66, gap: 10, between: 104, head: 44 };

export interface Wire {
  edge: PlanEdge;
  path: string;
  /** Where its mark stands. */
  x: number;
  y: number;
  critical: boolean;
}

/** Returns the lines between cards, and where their marks stand: marks that would lie on each other are moved apart. */
export function wiresOf(plan: PlanItem): Wire[] {
  const spots = new Map<string, { column: number; row: number }>();
  plan.batches.forEach((batch, column) =>
    batch.operations.forEach(({ id }, row) => spots.set(id, { column, row })),
  );
  const critical = new Set(plan.critical_path);
  const taken = new Set<string>();
  const middle = (row: number) => SIZE.head + row * (SIZE.height + SIZE.gap) + SIZE.height / 2;
  return plan.edges.flatMap((edge) => {
    const [from, to] = [spots.get(edge.origin), spots.get(edge.target)];
    if (!from || !to) return [];
    const pitch = SIZE.width + SIZE.between;
    const [x1, y1] = [from.column * pitch + SIZE.width, middle(from.row)];
    const [x2, y2] = [to.column * pitch, middle(to.row)];
    // a line over several columns bends in the gap before its target, where its mark stands
    const bend = SIZE.between * 0.55;
    const far = to.column - from.column > 1;
    const path = far
      ? `M${x1} ${y1}C${x1 + bend} ${y1} ${x1 + bend * 0.4} ${lane(from.row)} ${x1 + SIZE.between} ${lane(from.row)}` +
        `H${x2 - SIZE.between}C${x2 - bend * 0.4} ${lane(from.row)} ${x2 - bend} ${y2} ${x2} ${y2}`
      : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    const x = x2 - SIZE.between / 2;
    let y = far ? (lane(from.row) + y2) / 2 : (y1 + y2) / 2;
    while (taken.has(`${to.column} ${Math.round(y / 26)}`)) y += 26;
    taken.add(`${to.column} ${Math.round(y / 26)}`);
    return [{ edge, path, x, y, critical: critical.has(edge.origin) && critical.has(edge.target) }];
  });
}

/** Returns the height between two rows, where lines pass cards by. */
function lane(row: number): number {
  return SIZE.head + (row + 1) * (SIZE.height + SIZE.gap) - SIZE.gap / 2;
}

/** Returns the size of the drawing. */
export function extent(columns: readonly Column[], most: number): { width: number; height: number } {
  const rows = columns.reduce((found, column) => Math.max(found, Math.min(column.cards.length, most)), 0);
  return {
    width: columns.length * (SIZE.width + SIZE.between) - SIZE.between,
    height: SIZE.head + rows * (SIZE.height + SIZE.gap) + 30,
  };
}

/** Returns the place of the card that a key moves to from another, null when there is none. */
export function cardAt(
  columns: readonly Column[],
  column: number,
  row: number,
  key: string,
): [column: number, row: number] | null {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!way) return null;
  const [x, y] = [column + (way[0] ?? 0), row + (way[1] ?? 0)];
  const cards = columns[x]?.cards;
  if (!cards || cards.length === 0 || y < 0 || (y >= cards.length && way[0] === 0)) return null;
  return [x, Math.min(y, cards.length - 1)];
}
