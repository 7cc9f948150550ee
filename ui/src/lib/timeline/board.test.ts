/** That the board shows the part of time, the rows and the steps that keys and the address ask for. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { router } from '$lib/router.svelte';
import type { Trace } from '$lib/stores/trace.svelte';
import type { TimelineSpan } from '$types/trace';
import { Board } from './board.svelte';
import { span } from './testing/made';
import { rowPlace } from './tree';

const SPANS = [
  span('run', 0, 1000, { kind: 'workflow' }),
  span('run/read', 0, 100),
  span('run/both', 100, 900, { kind: 'workflow' }),
  span('run/both/slow', 100, 900),
  span('run/both/bad', 100, 300, { status: 'failed', error: 'no' }),
  span('run/last', 950, 1000),
];

function traceOf(spans: TimelineSpan[], lives = false): Trace {
  const now = { at: 1000 };
  return {
    spans,
    lives,
    over: !lives,
    now: () => now.at,
    summary: {
      critical_path: ['run/read', 'run/both/slow', 'run/last', 'gone'],
      bottleneck: 'run/both/slow',
    },
    byPath: new Map(spans.map((each) => [each.path, each])),
  } as unknown as Trace;
}

let board: Board;
const shown = () => Array.from(board.rows, (place) => board.spanAt(place)?.path);

beforeEach(() => {
  vi.useFakeTimers();
  router.set({ t: null, span: null, q: null, errors: null, hide: null, idle: null });
  board = new Board(traceOf(SPANS));
  board.tick();
});
afterEach(() => {
  board.leave();
  vi.useRealTimers();
});

describe('a board', () => {
  it('follows the address when that changes elsewhere, and not its own writing', () => {
    router.set({ t: '100-300' });
    board.readAddress();
    expect(board.isZoomed).toBe(true);
    expect(board.follows).toBe(false);
    board.zoom(2);
    vi.runAllTimers();
    const shown = board.view;
    board.readAddress();
    expect(board.view).toEqual(shown);
    router.set({ t: null });
    board.readAddress();
    expect(board.isZoomed).toBe(false);
  });

  it('shows everything first, with room for labels behind the end', () => {
    expect(shown()).toEqual(SPANS.map((each) => each.path));
    expect(board.view.from).toBe(0);
    expect(board.view.to).toBeGreaterThan(1000);
    expect(board.isZoomed).toBe(false);
  });

  it('zooms, moves, writes that to the address, and goes back by steps', () => {
    board.zoomTo(100, 300);
    const first = board.view;
    expect([first.from, first.to]).toEqual([76, 324]);
    vi.advanceTimersByTime(1000);
    expect(router.query.t).toBe('76-324');
    board.move(0.5);
    expect(board.view.from).toBe(200);
    board.back();
    expect(board.view).toEqual(first);
    board.back();
    expect(board.isZoomed).toBe(false);
    vi.advanceTimersByTime(1000);
    expect(router.query.t).toBeUndefined();
    board.back();
  });

  it('begins with the stretch of the address', () => {
    router.set({ t: '100-200' });
    expect(new Board(traceOf(SPANS)).view).toEqual({ from: 100, to: 200 });
  });

  it('closes and opens rows, one or all below, and by levels', () => {
    board.showLevels(1);
    expect(shown()).toEqual(['run']);
    board.turn(0);
    expect(shown()).toEqual(['run', 'run/read', 'run/both', 'run/last']);
    board.turn(0);
    board.turn(0, true);
    expect(shown()).toHaveLength(6);
    board.showLevels(2);
    expect(shown()).not.toContain('run/both/slow');
    board.showLevels(null);
    expect(shown()).toHaveLength(6);
  });

  it('steps over rows, out of and into groups', () => {
    board.step(1);
    expect(board.active).toBe('run');
    board.step(2);
    expect(board.active).toBe('run/both');
    board.stepIn();
    expect(board.active).toBe('run/both/slow');
    board.stepOut();
    expect(board.active).toBe('run/both');
    board.stepOut();
    expect(board.isClosed(2)).toBe(true);
    board.stepIn();
    expect(board.isClosed(2)).toBe(false);
    board.step(99);
    expect(board.active).toBe('run/last');
  });

  it('opens what is above a step that it goes to', () => {
    board.showLevels(1);
    expect(board.toError(1)).toBe(true);
    expect(router.query.span).toBe('run/both/bad');
    expect(shown()).toContain('run/both/bad');
  });

  it('finds steps, and hides the rest when it is asked to', () => {
    router.set({ q: 'slow' });
    expect(board.matched).toBe(1);
    expect(shown()).toHaveLength(6);
    router.set({ hide: '1' });
    expect(shown()).toEqual(['run', 'run/both', 'run/both/slow']);
    expect(board.toMatch(1)).toBe(true);
    expect(router.query.span).toBe('run/both/slow');
  });

  it('knows the rows of the critical path, -1 for those that are closed', () => {
    expect([...board.path]).toEqual([1, 3, 5]);
    expect([...board.pathRows]).toEqual([1, 3, 5]);
    board.turn(rowPlace(board.tree, 'run/both'));
    expect([...board.pathRows]).toEqual([1, -1, 3]);
  });

  it('follows a live run, and gives it room in steps', () => {
    const trace = traceOf(SPANS.slice(0, 4), true);
    const live = new Board(trace);
    live.tick();
    expect(live.extent).toBeGreaterThan(1000);
    const { extent } = live;
    live.tick();
    expect(live.extent).toBe(extent);
    expect(live.follows).toBe(true);
    live.zoomTo(0, 200);
    expect(live.follows).toBe(false);
    expect(live.newest()).toBe(3);
    live.leave();
  });

  it('draws idle stretches together when the run is over', () => {
    const late = new Board(traceOf([span('a', 0, 10), span('b', 900, 1000)]));
    router.set({ idle: '1' });
    late.tick();
    expect(late.axis.gaps).toEqual([{ from: 10, to: 900 }]);
    late.leave();
  });
});
