// @vitest-environment node
/** The graphs of what ran and of what was planned: who stands where, and how much of it is shown. */
import { describe, expect, it } from 'vitest';
import type { PlanItem } from '$types/plan';
import { alike, executed, type Step } from './executed';
import { framesOf } from './frames';
import { layout, NODE } from './layout';
import { planned } from './planned';
import {
  boxesOf,
  boxFor,
  countTo,
  depthFor,
  depthOf,
  flat,
  joined,
  outline,
  tally,
  wayTo,
  type Inside,
} from './shape';

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
    critical: false,
    attempts: 1,
    ...more,
  };
}

function arrows(inside: Inside): string[] {
  return inside.links.map(({ from, to }) => `${from} > ${to}`).sort();
}

describe('what ran', () => {
  it('links a step with the last ones that had ended when it began', () => {
    const found = executed([step('a', 0, 10), step('b', 12, 30), step('c', 12, 20), step('d', 31, 40)]);
    expect(arrows(found)).toEqual(['a > b', 'a > c', 'b > d', 'c > d']);
  });

  it('links across steps that overlap others', () => {
    const found = executed([step('a', 0, 10), step('b', 5, 15), step('c', 12, 20)]);
    expect(arrows(found)).toEqual(['a > c']);
  });

  it('keeps the order of steps that take no time', () => {
    expect(arrows(executed([step('a', 5, 5), step('b', 5, 5), step('c', 6, 7)]))).toEqual(['a > b', 'b > c']);
  });

  it('puts what has not begun behind what has ended', () => {
    const found = executed([
      step('a', 0, 10),
      step('b', 11, null),
      step('c', null, null, { status: 'pending' }),
    ]);
    expect(arrows(found)).toEqual(['a > b', 'a > c']);
  });

  it('shows a call and what it calls as one step that both paths name', () => {
    const found = executed([step('x/read', 0, 2, { kind: 'call', parent: '' }), step('x/read/run', 0, 2)]);
    expect(found.units).toHaveLength(1);
    expect(found.units[0]).toMatchObject({
      id: 'x/read/run',
      label: 'read',
      paths: ['x/read/run', 'x/read'],
    });
  });

  it('shows a batch of one call as that call', () => {
    const found = executed([
      step('tools', 0, 3, { kind: 'tools' }),
      step('tools/read', 0, 2, { kind: 'call' }),
      step('tools/read/run', 0, 2),
    ]);
    expect(found.units.map((unit) => unit.label)).toEqual(['read']);
    expect(wayTo(found, 'tools')).toEqual(['tools/read/run']);
  });

  it('folds steps alike that ran side by side, and tells how they ended', () => {
    const six = Array.from({ length: 6 }, (_, n) =>
      step(n ? `read#${n + 1}` : 'read', 1, 5 + n, n === 2 ? { status: 'failed' } : {}),
    );
    const found = executed([step('first', 0, 1), ...six, step('last', 20, 21)]);
    expect(found.units.map((unit) => unit.label)).toEqual(['first', 'read', 'last']);
    const fold = found.units[1];
    expect(fold).toMatchObject({ folds: true, status: 'failed', start: 1, end: 10 });
    expect(fold && tally(fold)).toEqual([
      { status: 'failed', count: 1 },
      { status: 'completed', count: 5 },
    ]);
    expect(arrows(found)).toEqual([`${fold?.id} > last`, `first > ${fold?.id}`]);
  });

  it('folds the items of a list whenever they began, and draws no circle', () => {
    const items = Array.from({ length: 8 }, (_, n) => step(`part[${n}]`, 1 + n, 3 + n));
    const found = executed([step('split', 0, 1), ...items, step('log', 2, 3), step('join', 12, 13)]);
    expect(found.units.map((unit) => unit.label)).toEqual(['split', 'part[…]', 'log', 'join']);
    const fold = found.units[1]?.id;
    expect(arrows(found)).toEqual([`${fold} > join`, `split > ${fold}`, `split > log`].sort());
  });

  it('does not fold what came one after another', () => {
    const rounds = Array.from({ length: 8 }, (_, n) =>
      step(n ? `model#${n + 1}` : 'model', n * 2, n * 2 + 1),
    );
    expect(executed(rounds).units).toHaveLength(8);
  });

  it('holds a step whose parent was never told of', () => {
    expect(executed([step('lost/child', 0, 1)]).units.map((unit) => unit.id)).toEqual(['lost/child']);
  });

  it('calls names alike', () => {
    expect([alike('read'), alike('read#12'), alike('part[3]'), alike('a[b]c')]).toEqual([
      'read',
      'read',
      'part[…]',
      'a[b]c',
    ]);
  });

  it('makes the graph of 20,000 steps', () => {
    const many = Array.from({ length: 20_000 }, (_, n) => step(`s${n}`, n, n + 3));
    const begun = performance.now();
    expect(executed(many).units).toHaveLength(20_000);
    expect(performance.now() - begun).toBeLessThan(20_000);
  });
});

const PLAN: PlanItem = {
  path: 'agent/tools',
  at: 0.1,
  batches: [
    {
      operations: [
        { id: 'fetch', path: 'agent/tools/fetch', type: 'tool', seconds: 2 },
        { id: 'look', path: 'agent/tools/look', type: null, seconds: null },
      ],
    },
    { operations: [{ id: 'store', path: 'agent/tools/store', type: 'mcp', seconds: null }] },
  ],
  edges: [{ origin: 'fetch', target: 'store', kind: 'data', refs: ['rows'], reason: "'store' needs 'rows'" }],
  critical_path: ['fetch', 'store'],
  estimate: null,
  plan: {},
};

describe('what was planned', () => {
  it('tells operations with their reasons and how they went', () => {
    const steps = new Map([['agent/tools/look', step('agent/tools/look', 1, 2, { kind: 'call' })]]);
    const found = planned([PLAN], steps);
    expect(found.units.map((unit) => unit.label)).toEqual(['agent/tools']);
    const inside = found.units[0]?.inside;
    expect(inside?.units.map((unit) => [unit.label, unit.kind, unit.status])).toEqual([
      ['fetch', 'tool', 'pending'],
      ['look', 'call', 'completed'],
      ['store', 'mcp', 'pending'],
    ]);
    expect(inside?.links).toMatchObject([{ label: 'rows', reason: "'store' needs 'rows'", critical: true }]);
  });

  it('folds operations alike that wait for the same ones', () => {
    const reads = Array.from({ length: 6 }, (_, n) => ({
      id: `read#${n}`,
      path: `a/read#${n}`,
      type: 'tool',
      seconds: null,
    }));
    const edges = reads.map(({ id }) => ({
      origin: 'fetch',
      target: id,
      kind: 'data',
      refs: ['x'],
      reason: 'r',
    }));
    const plan = {
      ...PLAN,
      batches: [...PLAN.batches, { operations: reads }],
      edges: [...PLAN.edges, ...edges],
    };
    const inside = planned([plan], new Map()).units[0]?.inside;
    expect(inside?.units.map((unit) => [unit.label, unit.inside?.units.length ?? 0])).toEqual([
      ['fetch', 0],
      ['look', 0],
      ['store', 0],
      ['read', 6],
    ]);
    expect(inside?.links).toHaveLength(2);
  });

  it('puts a plan into the operation that made it, and those of one agent in their order', () => {
    const second = { ...PLAN, path: 'agent/tools#2', batches: [], edges: [] };
    const inner = { ...PLAN, path: 'agent/tools/look/run/coder/tools', batches: [], edges: [] };
    const found = planned([PLAN, inner, second], new Map());
    expect(found.units.map((unit) => unit.id)).toEqual(['agent/tools', 'agent/tools#2']);
    expect(arrows(found)).toEqual(['agent/tools > agent/tools#2']);
    const look = found.units[0]?.inside?.units.find((unit) => unit.label === 'look');
    expect(look?.inside?.units.map((unit) => unit.id)).toEqual([inner.path]);
  });
});

describe('how much is shown', () => {
  const nested = executed([
    step('a', 0, 9),
    step('a/b', 0, 9),
    step('a/b/c', 0, 4),
    step('a/b/d', 5, 9),
    step('e', 10, 11),
  ]);

  it('counts and opens by depth', () => {
    expect([depthOf(nested), countTo(nested, 0), countTo(nested, 1), countTo(nested, 2)]).toEqual([
      2, 2, 3, 5,
    ]);
    expect([depthFor(nested, 5), depthFor(nested, 4), depthFor(nested, 1)]).toEqual([2, 1, 0]);
    expect(flat(boxesOf(nested, 1)).map((box) => box.unit.id)).toEqual(['a', 'a/b', 'e']);
  });

  it('does as it is told', () => {
    const boxes = boxesOf(nested, 2, new Map([['a', false]]));
    expect(flat(boxes).map((box) => box.unit.id)).toEqual(['a', 'e']);
    expect(boxFor(boxes, nested, 'a/b/d')?.unit.id).toBe('a');
    expect(boxFor(boxes, nested, 'nowhere')).toBeNull();
  });

  it('leaves out what is too much, and says how much', () => {
    const wide = executed([
      step('a', 0, 90),
      ...Array.from({ length: 12 }, (_, n) => step(`a/s${n}`, n, n + 1)),
    ]);
    const [box] = boxesOf(wide, 1, new Map(), 10);
    expect([box?.boxes.length, box?.left, box?.links.length]).toEqual([10, 2, 9]);
  });

  it('knows when only statuses have changed', () => {
    const before = executed([step('a', 0, null)]);
    const after = executed([step('a', 0, 5)]);
    const grown = executed([step('a', 0, 5), step('b', 6, null)]);
    const told = (inside: Inside) => outline(boxesOf(inside, 9), inside.links);
    expect(told(before)).toBe(told(after));
    expect(told(after)).not.toBe(told(grown));
  });

  it('joins statuses to what needs eyes first', () => {
    expect(joined(['completed', 'running', 'failed'])).toBe('failed');
    expect(joined(['completed', 'skipped'])).toBe('completed');
    expect(joined([])).toBe('pending');
    expect(joined(['strange'])).toBe('skipped');
  });
});

describe('the layout', () => {
  it('goes from left to right, and holds inner boxes within outer ones', () => {
    const inside = executed([step('a', 0, 9), step('a/b', 0, 4), step('a/c', 5, 9), step('d', 10, 11)]);
    const boxes = boxesOf(inside, 9);
    const { places, width, height } = layout(
      framesOf(boxes),
      inside.links.map(({ from, to }) => [from, to]),
    );
    const at = (id: string) => places[id] ?? { x: NaN, y: NaN, width: NaN, height: NaN };
    expect(at('a/b').x + NODE.width).toBeLessThan(at('a/c').x);
    expect(at('a').x + at('a').width).toBeLessThan(at('d').x);
    expect(at('a/c').x + NODE.width).toBeLessThanOrEqual(at('a').x + at('a').width);
    expect(at('a/b').y).toBeGreaterThan(at('a').y);
    expect(width).toBe(at('d').x + NODE.width);
    expect(height).toBe(at('a').height);
  });

  it('goes on in the next row where a level would be too wide', () => {
    const long = executed(Array.from({ length: 24 }, (_, n) => step(`s${n}`, n, n + 1)));
    const pairs = long.links.map(({ from, to }): [string, string] => [from, to]);
    const { places, turns, width, height } = layout(framesOf(boxesOf(long, 0)), pairs);
    expect(width).toBeLessThan(1800);
    expect(height).toBeGreaterThan(3 * NODE.height);
    const [turned] = Object.keys(turns);
    const [from, to] = (turned ?? '').split('>').map((id) => places[id]);
    expect(to?.x).toBe(0);
    expect(turns[turned ?? '']).toBeGreaterThan((from?.y ?? 0) + NODE.height);
    expect(turns[turned ?? '']).toBeLessThan(to?.y ?? 0);
  });

  it('draws an empty graph', () => {
    expect(layout([], [])).toEqual({ places: {}, turns: {}, width: 0, height: 0 });
  });
});
