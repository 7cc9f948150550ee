// @vitest-environment node
/** Plans as columns: what stands where, what was expected and taken, and what ran together without a plan. */
import { describe, expect, it } from 'vitest';
import type { PlanItem } from '$types/plan';
import { actualOf, cardAt, columnsOf, extent, ranTogether, SIZE, wiresOf, type Step } from './columns';

function step(path: string, start: number | null, end: number | null, more: Partial<Step> = {}): Step {
  const cut = path.lastIndexOf('/');
  return {
    path,
    parent: cut < 0 ? '' : path.slice(0, cut),
    name: path.slice(cut + 1),
    kind: 'tool',
    status: end === null ? 'running' : 'completed',
    start_ms: start,
    end_ms: end,
    batch: null,
    critical: false,
    ...more,
  };
}

const operation = (id: string, seconds: number | null = null) => ({
  id,
  path: `p/${id}`,
  type: 'tool',
  seconds,
});
const edge = (origin: string, target: string) => ({
  origin,
  target,
  kind: 'data',
  refs: ['x'],
  reason: 'because',
});
const PLAN: PlanItem = {
  path: 'p',
  at: 0,
  batches: [
    { operations: [operation('a', 2), operation('b')] },
    { operations: [operation('c')] },
    { operations: [operation('d')] },
  ],
  edges: [edge('a', 'c'), edge('b', 'c'), edge('c', 'd'), edge('a', 'd')],
  critical_path: ['a', 'c', 'd'],
  estimate: null,
  plan: {},
};

describe('a plan', () => {
  it('stands in columns with what was expected and what it took', () => {
    const columns = columnsOf(PLAN, new Map([['p/a', step('p/a', 10, 1_510)]]));
    expect(columns.map((column) => column.cards.map((card) => card.id))).toEqual([['a', 'b'], ['c'], ['d']]);
    expect(columns[0]?.cards[0]).toMatchObject({
      estimate: 2000,
      took: 1500,
      status: 'completed',
      critical: true,
    });
    expect(columns[0]?.cards[1]).toMatchObject({
      estimate: null,
      took: null,
      status: 'pending',
      critical: false,
    });
    expect(columns[1]?.cards[0]?.before.map(({ origin }) => origin)).toEqual(['a', 'b']);
    expect(columns[1]?.cards[0]?.after.map(({ target }) => target)).toEqual(['d']);
  });

  it('is measured when all of it has ended', () => {
    const steps = new Map(
      [step('p/a', 0, 10), step('p/b', 0, 6), step('p/c', 10, 15)].map((one) => [one.path, one]),
    );
    expect(actualOf(columnsOf(PLAN, steps))).toEqual({ wall: null, work: 21, ended: 3, of: 4 });
    steps.set('p/d', step('p/d', null, null, { status: 'skipped' }));
    expect(actualOf(columnsOf(PLAN, steps))).toEqual({ wall: 15, work: 21, ended: 4, of: 4 });
    expect(actualOf([])).toEqual({ wall: null, work: 0, ended: 0, of: 0 });
  });

  it('draws a line for every reason, and keeps marks apart', () => {
    const wires = wiresOf(PLAN);
    expect(wires.map((wire) => wire.critical)).toEqual([true, false, true, true]);
    const spots = wires.map(({ x, y }) => `${x} ${Math.round(y / 26)}`);
    expect(new Set(spots).size).toBe(spots.length);
    expect(wiresOf({ ...PLAN, edges: [edge('gone', 'a')] })).toEqual([]);
  });

  it('has a size', () => {
    const columns = columnsOf(PLAN, new Map());
    expect(extent(columns, 12)).toEqual({
      width: 3 * SIZE.width + 2 * SIZE.between,
      height: SIZE.head + 2 * (SIZE.height + SIZE.gap) + 30,
    });
  });

  it('is walked through by arrows', () => {
    const columns = columnsOf(PLAN, new Map());
    expect(cardAt(columns, 0, 1, 'ArrowRight')).toEqual([1, 0]);
    expect(cardAt(columns, 0, 0, 'ArrowDown')).toEqual([0, 1]);
    expect(cardAt(columns, 0, 1, 'ArrowDown')).toBeNull();
    expect(cardAt(columns, 0, 0, 'ArrowLeft')).toBeNull();
    expect(cardAt(columns, 0, 0, 'a')).toBeNull();
  });
});

describe('a run without a plan', () => {
  it('tells what overlapped while it lives', () => {
    const spans = [step('r', 0, null), step('r/a', 0, 10), step('r/b', 5, 12), step('r/c', 12, null)];
    expect(ranTogether(spans).map((column) => column.cards.map((card) => card.label))).toEqual([
      ['a', 'b'],
      ['c'],
    ]);
  });

  it('tells the batches of its figures when it is over', () => {
    const spans = [
      step('r', 0, 30),
      step('r/a', 0, 10, { batch: 0 }),
      step('r/b', 5, 12, { batch: 0 }),
      step('r/c', 12, 15),
      step('r/d', 15, 18, { batch: 1 }),
      step('r/e', 16, 18, { batch: 1 }),
    ];
    expect(ranTogether(spans).map((column) => column.cards.length)).toEqual([2, 1, 2]);
  });

  it('calls what a call runs by the name of the call', () => {
    const spans = [step('r/read', 0, 2, { kind: 'call' }), step('r/read/run', 0, 2)];
    expect(ranTogether(spans)[0]?.cards[0]).toMatchObject({ label: 'read', path: 'r/read/run' });
  });
});
