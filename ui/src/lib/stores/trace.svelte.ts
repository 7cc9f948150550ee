/** The steps of runs as they are now: a run's timeline is loaded once for all who look at it, then kept up to date. */
import { api, call } from '$lib/api';
import { live } from '$lib/live/live';
import { GrowingTree } from '$lib/timeline/growing';
import { opened } from '$lib/timeline/jumping';
import type { SpanUpdate, Timeline, TimelineSpan, TraceSummary } from '$types/trace';

/** How long a run that nobody looks at any more is kept, so that another view finds it (milliseconds). */
const KEPT = 15_000;
const ENDED = new Set(['completed', 'failed', 'cancelled', 'timed_out']);

const NOTHING: TraceSummary = {
  wall_ms: 0,
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

/** The timeline of one run; every figure of time is in milliseconds since the run began. */
export class Trace {
  /** All steps in the order of the tree: parents first, siblings by their start. */
  spans = $state.raw<readonly TimelineSpan[]>([]);
  summary = $state.raw<TraceSummary>(NOTHING);
  status = $state('pending');
  name = $state('');
  workflowId = $state<string | null>(null);
  /** Unix seconds. */
  startedAt = $state(0);
  /** Whether the run has ended, so that what decided its end is known. */
  over = $state(false);
  /** Whether nothing has come yet. */
  loading = $state(true);
  error = $state.raw<unknown>(null);
  readonly #tree = new GrowingTree();
  /** How far the log was told when the timeline was loaded, and by the last update since then. */
  #loaded = -1;
  #seq = -1;
  #anchor = $state.raw({ now: 0, at: 0 });
  #asked = 0;
  #early: SpanUpdate[] | null = null;
  readonly #stops: (() => void)[];

  constructor(readonly runId: string) {
    this.#stops = [
      live.on('span_update', (data) => this.take(data as SpanUpdate)),
      live.onReset(() => void this.load()),
    ];
    void this.load();
  }

  /** The steps by their paths. */
  get byPath(): ReadonlyMap<string, TimelineSpan> {
    void this.spans;
    return this.#tree.byPath;
  }

  /** Whether times still pass: not of a run that has ended, nor of one that nobody carries out. */
  get lives(): boolean {
    return !this.over && (this.status === 'running' || this.status === 'waiting');
  }

  /** Returns how long the run has gone on: by the server's clock, moved on by this browser's since it was told. */
  now(): number {
    const { now, at } = this.#anchor;
    return this.lives ? now + (performance.now() - at) : now;
  }

  /** Loads the timeline anew; what is told meanwhile is applied after it. */
  async load(): Promise<void> {
    const asked = ++this.#asked;
    this.#early = [];
    try {
      const found = await call(
        api.GET('/api/runs/{run_id}/timeline', { params: { path: { run_id: this.runId } } }),
      );
      if (asked !== this.#asked) return;
      this.#load(found);
      this.error = null;
    } catch (error) {
      if (asked !== this.#asked) return;
      this.error = error;
    }
    const early = this.#early;
    this.#early = null;
    this.loading = false;
    for (const update of early) this.take(update);
  }

  /** Takes an update of any run: those of others, and those that are known already, are passed over. */
  take(update: SpanUpdate): void {
    if (update.run_id !== this.runId) return;
    if (this.#early) {
      this.#early.push(update);
      return;
    }
    // an update of many steps comes in parts of the same seq; what was loaded knows all up to its own
    if (update.seq < this.#seq || update.seq <= this.#loaded) return;
    this.#tree.apply(update.spans);
    this.spans = this.#tree.spans;
    this.#facts(update);
    if (!update.over) this.over = false;
    else if (!this.over) void this.load();
  }

  close(): void {
    closeTrace(this);
  }

  /** Stops listening; the last one who looked has gone. */
  end(): void {
    this.#asked++;
    for (const stop of this.#stops) stop();
  }

  #load(found: Timeline): void {
    this.#tree.load(found.spans);
    this.spans = this.#tree.spans;
    this.#facts(found);
    this.#loaded = found.seq;
    this.over = ENDED.has(found.status);
  }

  #facts(told: Omit<Timeline, 'total' | 'spans'>): void {
    this.#seq = told.seq;
    this.summary = told.summary;
    this.status = told.status;
    this.name = told.name;
    this.workflowId = told.workflow_id;
    this.startedAt = told.started_at;
    this.#anchor = { now: told.now, at: performance.now() };
  }
}

interface Held {
  trace: Trace;
  readers: number;
  leaves: ReturnType<typeof setTimeout> | undefined;
}
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- who opens a trace must not depend on who else did
const held = new Map<string, Held>();
opened.steps = () => [...held.values()].findLast((each) => each.readers > 0)?.trace.spans ?? [];

/** Returns the trace of a run, shared by all who look at it; each closes it: `$effect(() => () => trace.close())`. */
export function openTrace(runId: string): Trace {
  const found = held.get(runId) ?? { trace: new Trace(runId), readers: 0, leaves: undefined };
  clearTimeout(found.leaves);
  found.readers++;
  held.set(runId, found);
  return found.trace;
}

function closeTrace(trace: Trace): void {
  const found = held.get(trace.runId);
  if (found?.trace !== trace || --found.readers > 0) return;
  found.leaves = setTimeout(() => {
    held.delete(trace.runId);
    trace.end();
  }, KEPT);
}
