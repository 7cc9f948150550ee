/** That a run's trace is loaded once for all who look, follows what is told, and is loaded anew when it must be. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '$lib/api';
import { span } from '$lib/timeline/testing/made';
import type { SpanUpdate, Timeline, TimelineSpan } from '$types/trace';
import { openTrace, type Trace } from './trace.svelte';

const wires = vi.hoisted(() => ({
  told: new Set<(data: unknown) => void>(),
  reset: new Set<() => void>(),
  asked: [] as { run: string; answer: (found: unknown) => void; fail: (error: unknown) => void }[],
}));
vi.mock('$lib/live/live', () => ({
  live: {
    on: (_: string, handler: (data: unknown) => void) => {
      wires.told.add(handler);
      return () => wires.told.delete(handler);
    },
    onReset: (handler: () => void) => {
      wires.reset.add(handler);
      return () => wires.reset.delete(handler);
    },
  },
}));
vi.mock('$lib/api', async (original) => ({
  ...(await original<object>()),
  call: (answer: unknown) => answer,
  api: {
    GET: (_: string, { params }: { params: { path: { run_id: string } } }) =>
      new Promise((answer, fail) => wires.asked.push({ run: params.path.run_id, answer, fail })),
  },
}));

const SUMMARY = {
  wall_ms: 10,
  work_ms: 10,
  operations: 1,
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

let number = 0;
let run = '';
let trace: Trace;

function timeline(seq: number, spans: TimelineSpan[], more: Partial<Timeline> = {}): Timeline {
  return {
    run_id: run,
    workflow_id: null,
    name: 'flow',
    status: 'running',
    started_at: 100,
    now: 10,
    seq,
    total: spans.length,
    summary: SUMMARY,
    spans,
    ...more,
  };
}

function tell(seq: number, spans: TimelineSpan[], more: Partial<SpanUpdate> = {}): void {
  const update: SpanUpdate = { ...timeline(seq, spans), over: false, ...more };
  for (const handler of wires.told) handler(update);
}

/** Answers the oldest question that has none yet. */
async function answer(found: Timeline): Promise<void> {
  wires.asked.shift()?.answer(found);
  await vi.waitFor(() => expect(trace.loading).toBe(false));
  await Promise.resolve();
}

const paths = () => trace.spans.map((each) => each.path);

beforeEach(() => {
  vi.useFakeTimers();
  run = `run-${++number}`;
  trace = openTrace(run);
});
afterEach(() => {
  trace.close();
  vi.runAllTimers();
  vi.useRealTimers();
  expect(wires.told.size, 'nobody listens any more').toBe(0);
  wires.asked.length = 0;
});

describe('a trace', () => {
  it('is loaded, and then follows what is told of its run', async () => {
    expect(trace.loading).toBe(true);
    await answer(timeline(3, [span('a', 0, null)]));
    expect([trace.name, trace.status, trace.startedAt, trace.lives]).toEqual(['flow', 'running', 100, true]);
    tell(5, [span('a', 0, 4), span('b', 4, null)]);
    tell(6, [span('other', 0, 1)], { run_id: 'another' });
    expect(paths()).toEqual(['a', 'b']);
    expect(trace.byPath.get('a')?.end_ms).toBe(4);
  });

  it('applies what is told while it is loaded, but not what the timeline knew', async () => {
    tell(2, [span('a', 0, null)]);
    tell(7, [span('b', 5, null)]);
    expect(paths()).toEqual([]);
    await answer(timeline(4, [span('a', 0, 3)]));
    expect(paths()).toEqual(['a', 'b']);
    expect(trace.byPath.get('a')?.end_ms).toBe(3);
  });

  it('takes the parts of one update, and passes over what is older', async () => {
    await answer(timeline(1, []));
    tell(9, [span('a', 0, null)]);
    tell(9, [span('b', 1, null)]);
    tell(8, [span('a', 0, 1)]);
    expect(paths()).toEqual(['a', 'b']);
    expect(trace.byPath.get('a')?.end_ms).toBeNull();
  });

  it('is loaded anew when its run is over, to know what decided its end', async () => {
    await answer(timeline(1, [span('a', 0, null)]));
    tell(3, [span('a', 0, 9)], { over: true, status: 'completed' });
    expect(trace.over).toBe(false);
    expect(wires.asked).toHaveLength(1);
    await answer(timeline(3, [span('a', 0, 9, { critical: true })], { status: 'completed', now: 9 }));
    await vi.waitFor(() => expect(trace.over).toBe(true));
    expect([trace.lives, trace.now(), trace.byPath.get('a')?.critical]).toEqual([false, 9, true]);
  });

  it('keeps what decided the end when the last update comes after the timeline', async () => {
    await answer(timeline(3, [span('a', 0, 9, { critical: true })], { status: 'completed' }));
    tell(3, [span('a', 0, 9)], { over: true, status: 'completed' });
    expect(trace.byPath.get('a')?.critical).toBe(true);
    expect(wires.asked).toHaveLength(0);
  });

  it('lives again when its run is resumed', async () => {
    await answer(timeline(3, [span('a', 0, 9)], { status: 'failed' }));
    expect(trace.over).toBe(true);
    tell(5, [span('b', 20, null)]);
    expect([trace.over, trace.lives]).toEqual([false, true]);
  });

  it('is loaded anew after a reset; an older answer that comes late is passed over', async () => {
    for (const reset of wires.reset) reset();
    expect(wires.asked).toHaveLength(2);
    const [late, fresh] = wires.asked.splice(0);
    fresh?.answer(timeline(8, [span('new', 0, null)]));
    await vi.waitFor(() => expect(paths()).toEqual(['new']));
    late?.answer(timeline(2, [span('old', 0, null)]));
    await vi.advanceTimersByTimeAsync(1);
    expect(paths()).toEqual(['new']);
  });

  it('tells why it could not be loaded, and can be asked again', async () => {
    wires.asked.shift()?.fail(new ApiError(404, 'not_found', 'There is no such run.'));
    await vi.waitFor(() => expect(trace.error).toBeInstanceOf(ApiError));
    expect(trace.loading).toBe(false);
    void trace.load();
    await answer(timeline(1, [span('a', 0, null)]));
    await vi.waitFor(() => expect(trace.error).toBeNull());
  });

  it("moves on by this browser's clock while its run lives", async () => {
    await answer(timeline(1, [span('a', 0, null)], { now: 500 }));
    const before = trace.now();
    vi.advanceTimersByTime(250);
    expect(trace.now() - before).toBeCloseTo(250, 0);
  });
});

describe('who opens a trace', () => {
  it('shares it with all others, and it ends some time after the last one closes it', async () => {
    await answer(timeline(1, [span('a', 0, null)]));
    const other = openTrace(run);
    expect(other).toBe(trace);
    other.close();
    vi.advanceTimersByTime(60_000);
    tell(2, [span('b', 1, null)]);
    expect(paths()).toEqual(['a', 'b']);
    trace.close();
    vi.advanceTimersByTime(5_000);
    expect(openTrace(run)).toBe(trace);
    trace.close();
    vi.advanceTimersByTime(60_000);
    expect(wires.told.size).toBe(0);
    const again = openTrace(run);
    expect(again).not.toBe(trace);
    again.close();
    trace = openTrace(run);
  });
});
