/** The tree, the axis, the views and the figures of a timeline. */
import { describe, expect, it } from 'vitest';
import { Axis, idleGaps, tickStep, tickText, ticks } from './axis';
import { shapeOf, type Frame } from './bars';
import { agentColour, figureOf, heaviest, kindColour, share, strength, sumsOf } from './figures';
import { filterOf, found, isActive, lasted, readTime } from './filter';
import { shortName } from '$lib/names';
import { span } from './testing/made';
import { CRITICAL, grid, knownGrid, loadsOf, rankColour, runs, stacks } from './minimap';
import { literal, pythonCall } from './python';
import {
  isClosed,
  labelOf,
  placesOf,
  mostAtOnce,
  revealed,
  rowAbove,
  rowPlace,
  treeOf,
  turn,
  visibleRows,
  type Folding,
} from './tree';
import { around, bounded, isWhole, moved, readStretch, whole, written, zoomed } from './viewport';

const OPEN: Folding = { level: null, turned: new Set() };
const summary = {
  wall_ms: 100,
  work_ms: 0,
  operations: 0,
  running: 0,
  failures: 0,
  parallelization_ratio: 0,
  speedup_factor: 1,
  critical_path: [],
  bottleneck: null,
  bottleneck_share: 0,
  tokens_input: 0,
  tokens_output: 0,
  cost: null,
  queue_ms: 0,
};
const family = () =>
  treeOf([
    span('a', 0, 100, { kind: 'agent' }),
    span('a/model', 0, 10, { kind: 'model', tokens: 100, cost: 0.5 }),
    span('a/tools', 10, 60, { kind: 'tools' }),
    span('a/tools/read', 10, 40, { kind: 'call' }),
    span('a/tools/read/run', 12, 38),
    span('a/tools/read#2', 10, 60, { kind: 'call', status: 'failed', error: 'no such file' }),
    span('a/tools/read#2/run', 12, 58, { status: 'failed', error: 'no such file' }),
    span('b', 90, null),
  ]);
const names = (rows: Int32Array, tree = family()) =>
  [...rows].map((at) => `${labelOf(tree, at).name}${labelOf(tree, at).number}`);

describe('a tree', () => {
  it('shows a call and its work as one row', () => {
    expect(names(visibleRows(family(), OPEN, null))).toEqual(['a', 'model', 'tools', 'read', 'read#2', 'b']);
    const tree = family();
    expect(rowPlace(tree, 'a/tools/read')).toBe(4);
    expect(rowPlace(tree, 'a/tools/read/run')).toBe(4);
    expect(rowPlace(tree, 'nothing')).toBe(-1);
    expect(tree.depth[4]).toBe(2);
    expect(rowAbove(tree, 4)).toBe(2);
    expect(shortName('a/tools/read#2/run')).toBe('read#2');
    expect(shortName('a/b')).toBe('b');
  });

  it('closes levels, single rows and whole subtrees', () => {
    const tree = family();
    const two: Folding = { level: 1, turned: new Set() };
    expect(names(visibleRows(tree, two, null))).toEqual(['a', 'model', 'tools', 'b']);
    const opened = turn(tree, 2, two, false);
    expect(isClosed(tree, 2, opened)).toBe(false);
    expect(names(visibleRows(tree, turn(tree, 0, OPEN, true), null))).toEqual(['a', 'b']);
    const all = turn(tree, 0, turn(tree, 0, OPEN, true), true);
    expect(all.turned.size).toBe(0);
    expect(names(visibleRows(tree, revealed(tree, 6, { level: 0, turned: new Set() }), null))).toContain(
      'read#2',
    );
  });

  it('says how many steps ran at once', () => {
    expect(mostAtOnce(family(), 2, 100)).toBe(2);
    expect(mostAtOnce(family(), 0, 100)).toBe(1);
  });
});

describe('a filter', () => {
  it('comes from the address', () => {
    const filter = filterOf({
      q: 'read',
      kind: 'tool,model',
      status: 'failed',
      errors: '1',
      min: '250',
      agent: 'x',
    });
    expect(filter).toEqual({
      text: 'read',
      kinds: ['tool', 'model'],
      statuses: ['failed'],
      agent: 'x',
      errors: true,
      least: 250,
    });
    expect(isActive(filter)).toBe(true);
    expect(isActive(filterOf({ min: 'soon' }))).toBe(false);
  });

  it.each([
    [{ q: 'READ file' }, [6]],
    [{ kind: 'model' }, [1]],
    [{ status: 'running' }, [7]],
    [{ errors: '1' }, [6]],
    [{ min: '40' }, [0, 2, 6]],
    [{ agent: 'nobody' }, []],
  ])('finds the rows of %o', (query, places) => {
    const marks = found(family(), filterOf(query), 100);
    expect([...(marks ?? [])].flatMap((mark, at) => (mark ? [at] : []))).toEqual(places);
  });

  it('keeps what is above what it found when the rest is hidden', () => {
    const tree = family();
    const marks = found(tree, filterOf({ errors: '1' }), 100);
    expect(names(visibleRows(tree, { level: 0, turned: new Set() }, marks))).toEqual([
      'a',
      'tools',
      'read#2',
    ]);
    expect(found(tree, filterOf({}), 100)).toBeNull();
  });

  it.each([
    ['250', 250],
    ['1,5 s', 1500],
    ['2 min', 120_000],
    ['1h', 3_600_000],
    ['soon', 0],
  ])('reads the time %s', (text, ms) => expect(readTime(text)).toBe(ms));

  it('takes a live step as long as now', () => {
    expect(lasted(span('x', 5, null), 25)).toBe(20);
    expect(lasted(span('x', null, null), 25)).toBe(0);
  });
});

describe('the axis', () => {
  const tree = treeOf([span('a', 0, 100), span('b', 900, 1000)]);

  it('finds the stretches in which nothing ran', () => {
    expect(idleGaps(tree, 1000)).toEqual([{ from: 100, to: 900 }]);
    expect(idleGaps(treeOf([span('a', 0, 100), span('b', 105, 200)]), 200)).toEqual([]);
    expect(idleGaps(treeOf([span('a', null, null)]), 10)).toEqual([]);
    expect(idleGaps(treeOf([span('a', 0, 100)]), 300)).toEqual([{ from: 100, to: 300 }]);
  });

  it('draws idle stretches together, and finds its way back', () => {
    const axis = new Axis(1000, idleGaps(tree, 1000));
    expect(axis.length).toBeCloseTo(206);
    for (const time of [0, 50, 100, 500, 899, 900, 1000])
      expect(axis.time(axis.place(time))).toBeCloseTo(time);
    expect(axis.place(950)).toBeCloseTo(156);
  });

  it('has round lines that do not crowd, none in a gap', () => {
    expect(ticks(new Axis(1000), 0, 1000, 10).times).toHaveLength(11);
    expect(tickStep(0.0004)).toBe(0.001);
    expect(tickStep(3e8)).toBe(86_400_000 * 4);
    const { times } = ticks(new Axis(1000, idleGaps(tree, 1000)), 0, 206, 8);
    expect(times.some((time) => time > 100 && time < 900)).toBe(false);
    expect(times[0]).toBe(0);
    expect(ticks(new Axis(1000), -50, 100, 4).times[0]).toBe(0);
  });

  it.each([
    [250, 50, 900, '250 ms'],
    [0.25, 0.05, 1, '0.25 ms'],
    [1500, 500, 4000, '1.5 s'],
    [3000, 1000, 9000, '3 s'],
    [125_000, 5000, 200_000, '2 m 05 s'],
  ])('tells %d ms at steps of %d', (time, step, until, text) =>
    expect(tickText(time, step, until)).toBe(text),
  );
});

describe('a view', () => {
  it('zooms around a place and stays in bounds', () => {
    const all = whole(1000);
    const near = zoomed(all, 0.5, 0.25, 1000);
    expect(near.from + (near.to - near.from) * 0.25).toBeCloseTo(all.to * 0.25);
    expect(isWhole(zoomed(near, 10, 0.5, 1000), 1000)).toBe(true);
    expect(moved({ from: 0, to: 100 }, -5, 1000)).toEqual({ from: 0, to: 100 });
    expect(bounded({ from: 990, to: 1990 }, 1000).to).toBeCloseTo(1090);
    expect(around(500, 500, 1000).to).toBeGreaterThan(500);
  });

  it('is written to the address and read from it', () => {
    expect(readStretch(written(120, 1840.4))).toEqual({ from: 120, to: 1840 });
    expect(readStretch(written(0.1234, 2.5))).toEqual({ from: 0.123, to: 2.5 });
    for (const text of [undefined, '', '5-4', 'a-b', '1--2']) expect(readStretch(text)).toBeNull();
  });
});

describe('a row', () => {
  const frame: Frame = { axis: new Axis(100), view: { from: 0, to: 100 }, width: 1000, now: 100 };

  it('shows attempts as segments, with the waits between them', () => {
    const tree = treeOf([
      span('a', 20, 80, {
        queued_ms: 10,
        attempts: 2,
        tries: [
          { start_ms: 20, end_ms: 40, status: 'failed' },
          { start_ms: 60, end_ms: 80, status: 'completed' },
        ],
      }),
    ]);
    const shape = shapeOf(tree, 0, frame, '60 ms');
    expect(shape.bars.map((bar) => [bar.left, bar.width, bar.status])).toEqual([
      [200, 200, 'failed'],
      [600, 200, 'completed'],
    ]);
    expect(shape.lines.map((line) => [line.kind, line.left, line.width])).toEqual([
      ['retry', 400, 200],
      ['queue', 100, 100],
    ]);
    expect(shape.label).toEqual({ text: '60 ms', side: 'right', at: 806 });
  });

  it('draws what a call took around its work', () => {
    const shape = shapeOf(family(), 4, frame, '26 ms');
    expect(shape.lines.map((line) => [line.kind, line.left, line.width])).toEqual([
      ['call', 100, 20],
      ['call', 380, 20],
    ]);
    expect(shape.label?.at).toBe(406);
  });

  it('puts its label where there is room', () => {
    const label = (from: number, to: number, text: string) =>
      shapeOf(treeOf([span('a', from, to)]), 0, frame, text).label?.side;
    expect(label(0, 50, 'x')).toBe('right');
    expect(label(0, 100, 'inside')).toBe('inside');
    expect(label(97, 100, 'left of it')).toBe('left');
    expect(shapeOf(treeOf([span('a', null, null)]), 0, frame, 'not started').label?.side).toBe('edge');
  });

  it('shows short steps, nothing of what is out of view, and only the edge of what is long', () => {
    expect(shapeOf(treeOf([span('a', 10, 10)]), 0, frame, '').bars[0]?.width).toBe(3);
    const deep = { ...frame, view: { from: 50, to: 50.1 } };
    expect(shapeOf(treeOf([span('a', 0, 10)]), 0, deep, 'x')).toMatchObject({ bars: [], label: null });
    expect(shapeOf(treeOf([span('a', 0, 100)]), 0, deep, '').bars[0]).toMatchObject({
      left: -6,
      width: 1012,
    });
  });
});

describe('figures', () => {
  it('sum a stretch by the share of each step in it', () => {
    const sums = sumsOf(family(), 5, 25, 100);
    expect(sums).toMatchObject({ operations: 3, failures: 1, work: 31, tokens: 50, cost: 0.25 });
    expect(sums.parallel).toBeCloseTo(1.55);
    const unpriced = treeOf([span('m', 0, 10, { tokens: 5, cost: null })]);
    expect(sumsOf(unpriced, 0, 10, 10).cost).toBeNull();
  });

  it('name what took longest by itself', () => {
    const top = heaviest(family(), summary, 100, 2);
    expect(top.map((each) => [each.path, each.self])).toEqual([
      ['a/tools/read#2/run', 46],
      ['a/tools/read/run', 26],
    ]);
    expect(share(50, summary, 10)).toBe(0.5);
    expect(share(50, { ...summary, wall_ms: 0 }, 0)).toBe(0);
  });

  it('colour by what a person chose', () => {
    expect(kindColour('model')).toBe('var(--cancelled)');
    expect(kindColour('something else')).toMatch(/^var\(--/);
    expect(agentColour(null)).toBe('var(--pending)');
    expect(agentColour('reader')).toBe(agentColour('reader'));
    expect(strength(0, 10)).toBe('var(--pending)');
    expect(strength(10, 10)).toContain('100%');
    const one = span('m', 0, 10, { tokens: 7, cost: 2 });
    expect([figureOf(one, 'cost', 0), figureOf(one, 'tokens', 0), figureOf(one, 'self', 0)]).toEqual([
      2, 7, 10,
    ]);
  });
});

describe('the minimap', () => {
  it('shows for each pixel what matters most', () => {
    const tree = treeOf([span('a', 0, 50, { critical: true }), span('b', 50, 100, { status: 'failed' })]);
    const cells = grid(tree, new Axis(100), 100, 4, 1, 100, true);
    expect([...cells]).toEqual([CRITICAL, CRITICAL, 9, 9]);
    const drawn: number[][] = [];
    runs(cells, 4, (...given) => drawn.push(given));
    expect(drawn).toEqual([
      [CRITICAL, 0, 0, 2],
      [9, 2, 0, 2],
    ]);
    expect(rankColour(CRITICAL)).toBe('--critical');
    expect(rankColour(9)).toBe('--error');
  });

  it('leaves groups out when there are more steps than lines', () => {
    const cells = grid(family(), new Axis(100), 100, 10, 2, 100, false);
    expect(Math.max(...cells)).toBe(9);
    expect(cells[9]).toBe(0);
  });
});

describe('Python', () => {
  it('writes values as literals', () => {
    expect(literal({ a: [1, true, null, 'x"y\n'], b: {} })).toBe(
      '{"a": [1, True, None, "x\\"y\\n"], "b": {}}',
    );
    expect(literal(['x'.repeat(60), 'y'.repeat(60)]).split('\n')).toHaveLength(4);
  });

  it('writes calls, with names of arguments where it may', () => {
    expect(pythonCall('query', { sql: 'select 1', limit: 5 })).toBe('query(sql="select 1", limit=5)');
    expect(pythonCall('query', { 'not-a-name': 1 })).toBe('query({"not-a-name": 1})');
    expect(pythonCall('query', { class: 1 })).toBe('query({"class": 1})');
    expect(pythonCall('http.get', 'x')).toBe('http_get("x")');
    expect(pythonCall('2nd', null)).toBe('_2nd()');
    expect(pythonCall('read', { arguments: { path: 'a' }, call_id: 'c' })).toBe('read(path="a")');
    expect(pythonCall('long', { text: 'x'.repeat(100) })).toContain('(\n    text=');
  });
});

describe('the axis at its left end', () => {
  it('never tells a negative zero', () => {
    for (const time of [-0, -0.0001, 0]) {
      expect(tickText(time, 1000, 5000)).toBe('0 s');
      expect(tickText(time, 1, 500)).toBe('0 ms');
    }
  });
});

describe('what is known of a tree', () => {
  const tree = treeOf([span('a', 0, 9), span('a/b', 0, 5), span('c', 5, 9)]);

  it('is the same when it is asked for again', () => {
    const paths = ['c', 'gone', 'a/b'];
    expect(placesOf(tree, paths)).toEqual([2, 1]);
    expect(placesOf(tree, paths)).toBe(placesOf(tree, paths));
    const other = treeOf([span('c', 5, 9)]);
    expect(placesOf(other, paths)).toEqual([0]);
    const asked = [tree, new Axis(10), 10, 10, 3, 9, true] as const;
    expect(knownGrid(...asked)).toBe(knownGrid(...asked));
    expect(knownGrid(...asked)).toEqual(grid(...asked));
    expect(knownGrid(tree, new Axis(20), 20, 10, 3, 9, true)).not.toEqual(grid(...asked));
  });
});

describe('the map of very many steps', () => {
  const tree = treeOf([
    span('a', 0, 10),
    span('a/b', 0, 5),
    span('a/c', 2.5, 5, { status: 'timed_out' }),
    span('d', 5, null),
    span('e', null, null),
  ]);
  const loads = loadsOf(tree, new Axis(10), 10, 2, 10);
  const counts = (colour: string) => [...(loads.find((load) => load.colour === colour)?.counts ?? [])];

  it('tells how many operations ran at once on average, by what became of them', () => {
    expect(counts('--completed')).toEqual([1, 0, 0]);
    expect(counts('--error')).toEqual([0.5, 0, 0]);
    expect(counts('--running')).toEqual([0, 1, 0]);
    expect(loadsOf(tree, new Axis(10), 10, 2, 10)).toBe(loads);
  });

  it('stacks them from below, failures first, as high as there is room', () => {
    const drawn: [string, number, number, number][] = [];
    stacks(loads, 30, (...bar) => drawn.push(bar));
    expect(drawn).toEqual([
      ['--error', 0, 20, 10],
      ['--completed', 0, 0, 20],
      ['--running', 1, 10, 20],
    ]);
  });
});
