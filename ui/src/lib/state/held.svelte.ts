/** The state of a workflow and of one of its runs, loaded anew when something has changed in it, but not all the time. */
import { api, call } from '$lib/api';
import { live } from '$lib/live/live';
import type { RunDetail, WorkflowFullState } from '$types/api';
import { concerns } from './sections';

/** How many rows of each kind are loaded at first, and how long to wait at least between two loads (milliseconds). */
export const FIRST = 500;
const PAUSE = 1200;
const NAMES = [
  'workflow_stream',
  'workflow_complete',
  'workflow_update',
  'run_update',
  'validation_required',
  'validation_response',
] as const;
/** Pieces of an answer change nothing that is kept. */
const PASSING = new Set(['token', 'reasoning', 'sub_agent_progress']);

export class HeldState {
  state = $state.raw<WorkflowFullState | null>(null);
  run = $state.raw<RunDetail | null>(null);
  loading = $state(true);
  error = $state.raw<unknown>(null);
  all = $state(false);
  #asked = 0;
  #took = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stops: (() => void)[];

  constructor(
    readonly runId: string,
    readonly workflowId: string | null,
  ) {
    this.#stops = [
      ...NAMES.map((name) => live.on(name, (data) => this.told(data))),
      live.onReset(() => void this.load()),
    ];
    void this.load();
  }

  async load(all = this.all): Promise<void> {
    const asked = ++this.#asked;
    const begun = performance.now();
    this.all = all;
    try {
      const [run, state] = await Promise.all([this.#loadRun(), this.#loadState()]);
      if (asked !== this.#asked) return;
      this.run = run;
      this.state = state;
      this.error = null;
    } catch (error) {
      if (asked === this.#asked) this.error = error;
    }
    if (asked !== this.#asked) return;
    this.#took = performance.now() - begun;
    this.loading = false;
  }

  /** Takes what was told: what may have changed something is followed by a load, later the longer loads take. */
  told(data: unknown): void {
    if (!concerns(data, this.workflowId, this.runId)) return;
    const kind = (data as { chunk_type?: unknown }).chunk_type;
    if (typeof kind === 'string' && PASSING.has(kind)) return;
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        void this.load();
      },
      Math.max(PAUSE, this.#took * 5),
    );
  }

  close(): void {
    this.#asked++;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
  }

  async #loadRun(): Promise<RunDetail> {
    return call(api.GET('/api/runs/{run_id}', { params: { path: { run_id: this.runId } } }));
  }

  async #loadState(): Promise<WorkflowFullState | null> {
    if (this.workflowId === null) return null;
    const query = this.all ? {} : { limit: FIRST };
    return call(
      api.GET('/api/workflows/{workflow_id}/state', {
        params: { path: { workflow_id: this.workflowId }, query },
      }),
    );
  }
}
