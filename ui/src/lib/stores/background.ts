/** What every workflow is doing, also those that nobody looks at: folded from the one stream, kept over screens. */
import { derived, writable, type Readable } from 'svelte/store';
import { api, call } from '$lib/api';
import { EVERYTHING, FLAGS, StreamFold, type StreamState } from '$lib/folds/stream';
import { live, type WorkflowUpdate } from '$lib/live/live';
import { replay } from '$lib/live/replay';
import type { WorkflowComplete } from '$types/streaming';
import type { Execution } from '$types/workflow';
import { Frames } from './frames';

/** How many workflows that are over keep what they said in memory, for those who still read it. */
const KEPT = 1;
/** Events of workflows by their names. */
const NAMES = [
  'workflow_stream',
  'sub_agent_start',
  'sub_agent_progress',
  'sub_agent_complete',
  'sub_agent_error',
  'validation_required',
  'validation_response',
  'workflow_complete',
] as const;

export type BackgroundStatus =
  'queued' | 'running' | 'cancelling' | 'completed' | 'error' | 'cancelled' | 'interrupted';

/** What a workflow does, in short. */
export interface BackgroundWorkflow {
  workflowId: string;
  runId: string;
  status: BackgroundStatus;
  error: string | null;
  /** How many messages wait behind what runs. */
  queued: number;
  /** How many calls and sub-agents run now, and how many things wait for somebody. */
  tools: number;
  agents: number;
  waiting: number;
  /** Unix milliseconds by the server's clock; null while it has not begun, or not ended. */
  started: number | null;
  ended: number | null;
}

/** What is called with every change of what a workflow does; the bits are those of `StreamFold.take`. */
export type Watcher = (workflowId: string, changed: number) => void;
/** What is called when an execution is over. */
export type EndWatcher = (told: WorkflowComplete) => void;

class Entry {
  fold: StreamFold;
  /** Whether the fold has everything since its run began. */
  whole = true;
  runId = '';
  ordinal = 0;
  status: BackgroundStatus | 'idle' = 'idle';
  error: string | null = null;
  queue = new Set<string>();
  started: number | null = null;
  ended: number | null = null;
  /** What comes while an earlier part is being read. */
  held: [string, unknown][] | null = null;

  constructor(readonly workflowId: string) {
    this.fold = new StreamFold(workflowId);
  }
}

class Background {
  readonly #entries = new Map<string, Entry>();
  readonly #shown = writable<ReadonlyMap<string, BackgroundWorkflow>>(new Map());
  readonly #watchers = new Set<Watcher>();
  readonly #ends = new Set<EndWatcher>();
  readonly #frames = new Frames(() => this.#show());
  #started = false;
  #asked = 0;
  #resets = 0;
  /** What was told of runs since the queue was asked for: whether each runs. */
  #told: Map<string, boolean> | null = null;
  subscribe = this.#shown.subscribe;

  /** Begins to listen, once, and asks what runs and waits. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const name of NAMES) live.on(name, (data: { workflow_id: string }) => this.take(name, data));
    live.on('workflow_update', (told) => this.update(told));
    live.onReset(() => void this.load(true));
    void live.ready.then(() => this.load());
  }

  /** Calls a function with every change, and returns how to stop. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Calls a function when an execution is over, and returns how to stop. */
  onEnd(watcher: EndWatcher): () => void {
    this.#ends.add(watcher);
    return () => this.#ends.delete(watcher);
  }

  /** Asks what runs and what waits; after a reset what was told so far is void. */
  async load(reset = false): Promise<void> {
    const asked = ++this.#asked;
    const told = (this.#told = new Map<string, boolean>());
    if (reset) {
      this.#resets++;
      for (const entry of this.#entries.values()) entry.whole = false;
    }
    const queue = await call(api.GET('/api/queue')).catch(() => null);
    if (asked !== this.#asked) return;
    this.#told = null;
    if (!queue) return;
    const here = new Set(queue.map((each) => each.workflow_id));
    for (const entry of this.#entries.values()) {
      for (const id of entry.queue) if (!told.has(id)) entry.queue.delete(id);
      if (!here.has(entry.workflowId) && isLive(entry.status) && !told.has(entry.runId)) this.#settle(entry);
    }
    for (const each of queue)
      if (each.status === 'queued' ? !told.has(each.run_id) : told.get(each.run_id) !== false)
        this.#known(each);
    for (const entry of this.#entries.values())
      if (entry.status === 'queued' && !entry.queue.size) entry.status = 'idle';
    this.#frames.ask();
  }

  /** What is known of a workflow's execution. */
  state(workflowId: string): StreamState {
    return this.fold(workflowId).state();
  }

  /** The fold of a workflow; whoever reads it is told of changes by `watch`. */
  fold(workflowId: string): StreamFold {
    return this.#entry(workflowId).fold;
  }

  status(workflowId: string): BackgroundStatus | 'idle' {
    return this.#entries.get(workflowId)?.status ?? 'idle';
  }

  /** Takes an event of any workflow. */
  take(name: string, data: { workflow_id: string }): void {
    const entry = this.#entry(data.workflow_id);
    if (entry.held) {
      entry.held.push([name, data]);
      return;
    }
    const told = data as Partial<WorkflowComplete>;
    if (told.run_id !== entry.fold.runId || !entry.fold.seq) entry.whole = told.seq === 1;
    if (told.run_id) this.#told?.set(told.run_id, name !== 'workflow_complete');
    const changed = entry.fold.take(name, data);
    if (!changed) return;
    this.#follow(entry, name, data);
    this.#changed(entry, changed);
  }

  /** Takes that a workflow or an execution stands differently. */
  update(told: WorkflowUpdate): void {
    if (told.status === 'deleted') {
      this.#entries.delete(told.workflow_id);
      this.#frames.ask();
      return;
    }
    const entry = this.#entry(told.workflow_id);
    if (told.task_id) this.#changed(entry, entry.fold.retask(told.task_id, told.status, told.task_status));
    if (!told.run_id) return;
    entry.queue.delete(told.run_id);
    this.#told?.set(told.run_id, told.status === 'running');
    if (told.status === 'queued') entry.queue.add(told.run_id);
    else if (told.status === 'running') this.#runs(entry, told.run_id);
    else if (told.status === 'interrupted' && (entry.runId === told.run_id || !isLive(entry.status))) {
      entry.runId = told.run_id;
      this.#cut(entry, told.run_id);
      entry.status = 'interrupted';
    }
    if (entry.status === 'idle' && entry.queue.size) entry.status = 'queued';
    if (entry.status === 'queued' && !entry.queue.size) entry.status = 'idle';
    this.#changed(entry, FLAGS);
  }

  /** Marks that somebody wants a workflow to stop. */
  cancelling(workflowId: string, on = true): void {
    const entry = this.#entry(workflowId);
    if (on && entry.status === 'running') entry.status = 'cancelling';
    else if (!on && entry.status === 'cancelling') entry.status = 'running';
    this.#changed(entry, FLAGS);
  }

  /** Forgets what a workflow's execution said. */
  forget(workflowId: string): void {
    const entry = this.#entry(workflowId);
    entry.fold = new StreamFold(workflowId);
    if (!isLive(entry.status)) entry.status = 'idle';
    this.#changed(entry, EVERYTHING);
  }

  /** Reads what an execution told before this page listened; what comes meanwhile is taken after it. */
  async restore(workflowId: string, execution?: { run_id: string; ordinal: number } | null): Promise<void> {
    const entry = this.#entry(workflowId);
    if (execution) this.#runs(entry, execution.run_id, execution.ordinal);
    if (!isLive(entry.status) || !entry.ordinal || entry.held) return;
    if (entry.whole && entry.fold.runId === entry.runId) return;
    const fold = new StreamFold(workflowId);
    const { runId } = entry;
    const resets = this.#resets;
    entry.held = [];
    try {
      await replay(workflowId, entry.ordinal, (name, data) => fold.take(name, data));
      // what is over by now is not told as running again
      if (isLive(entry.status) && entry.runId === runId) {
        entry.fold = fold;
        entry.whole = resets === this.#resets;
      }
    } finally {
      const held = entry.held;
      entry.held = null;
      for (const [name, data] of held) this.take(name, data as { workflow_id: string });
      this.#changed(entry, EVERYTHING);
    }
    if (resets !== this.#resets) await this.restore(workflowId);
  }

  /** Forgets everything. */
  reset(): void {
    this.#entries.clear();
    this.#frames.ask();
    this.#frames.now();
  }

  /** Shows what has changed now. */
  flushSync(): void {
    this.#frames.now();
  }

  #entry(workflowId: string): Entry {
    let entry = this.#entries.get(workflowId);
    if (!entry) {
      entry = new Entry(workflowId);
      this.#entries.set(workflowId, entry);
    }
    return entry;
  }

  #known(execution: Execution): void {
    const entry = this.#entry(execution.workflow_id);
    if (execution.status === 'queued') {
      entry.queue.add(execution.run_id);
      if (!isLive(entry.status)) entry.status = 'queued';
    } else {
      this.#runs(entry, execution.run_id, execution.ordinal);
      entry.started = execution.started_at === null ? null : execution.started_at * 1000;
    }
  }

  /** Takes that an execution runs: what was said of the one before is shown no more. */
  #runs(entry: Entry, runId: string, ordinal = 0): void {
    const another = entry.runId !== runId;
    if (another || !isLive(entry.status)) {
      entry.status = 'running';
      entry.error = null;
      entry.ended = null;
    }
    if (ordinal) entry.ordinal = ordinal;
    if (!another) return;
    entry.runId = runId;
    entry.started = null;
    if (entry.fold.runId !== runId) {
      entry.fold.begin(runId);
      entry.whole = false; // its first event says whether everything is still to come
      this.#changed(entry, EVERYTHING);
    }
  }

  #follow(entry: Entry, name: string, data: object): void {
    if (name === 'workflow_complete') {
      this.#over(entry, data as WorkflowComplete);
      return;
    }
    if (entry.fold.runId !== entry.runId || !isLive(entry.status)) {
      entry.runId = entry.fold.runId;
      entry.status = 'running';
    }
    entry.started ??= entry.fold.started;
  }

  #over(entry: Entry, told: WorkflowComplete): void {
    entry.runId = told.run_id;
    entry.status = told.status;
    entry.error = told.error;
    entry.ended = told.ts ? told.ts * 1000 : null;
    this.#tidy(entry);
    for (const watcher of [...this.#ends]) watcher(told);
  }

  /** Takes the end of an execution that was told before this page listened again. */
  #cut(entry: Entry, run_id: string): void {
    if (entry.fold.runId !== run_id || entry.fold.status !== 'running') return;
    const end = { workflow_id: entry.workflowId, run_id, status: 'error', error: null } as WorkflowComplete;
    this.#changed(entry, entry.fold.take('workflow_complete', end));
    this.#over(entry, end);
  }

  /** Takes that what ran is over, and nobody said how: its rows tell. */
  #settle(entry: Entry): void {
    entry.status = 'idle';
    entry.fold = new StreamFold(entry.workflowId);
    this.#changed(entry, EVERYTHING);
  }

  /** Forgets what those said that ended first; what has just ended is still to be read. */
  #tidy(told: Entry): void {
    const over = [...this.#entries.values()]
      .filter((each) => each !== told && !isLive(each.status) && each.fold.runId)
      .sort((one, other) => (one.ended ?? 0) - (other.ended ?? 0));
    for (const entry of over.slice(0, Math.max(0, over.length + 1 - KEPT))) {
      entry.fold = new StreamFold(entry.workflowId);
      entry.whole = false;
    }
  }

  #changed(entry: Entry, changed: number): void {
    for (const watcher of this.#watchers) watcher(entry.workflowId, changed);
    this.#frames.ask();
  }

  #show(): void {
    const shown = new Map<string, BackgroundWorkflow>();
    for (const entry of this.#entries.values())
      if (entry.status !== 'idle') shown.set(entry.workflowId, summary(entry));
    this.#shown.set(shown);
  }
}

function summary(entry: Entry): BackgroundWorkflow {
  const { fold } = entry;
  return {
    workflowId: entry.workflowId,
    runId: entry.runId,
    status: entry.status === 'idle' ? 'completed' : entry.status,
    error: entry.error,
    queued: entry.queue.size,
    tools: counted(fold.tools.values()),
    agents: counted(fold.agents.values()),
    waiting: fold.waiting.size,
    started: entry.started,
    ended: entry.ended,
  };
}

function counted(items: Iterable<{ status: string }>): number {
  let count = 0;
  for (const item of items) if (item.status === 'running') count++;
  return count;
}

function isLive(status: string): boolean {
  return status === 'running' || status === 'cancelling';
}

export const backgroundWorkflowsStore = new Background();
/** Which workflows run now. */
export const running: Readable<BackgroundWorkflow[]> = derived(backgroundWorkflowsStore, (all) =>
  [...all.values()].filter((each) => isLive(each.status)),
);
