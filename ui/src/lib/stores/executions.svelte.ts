/** The executions of the workflow that is shown, oldest first: which run is the newest, and how each stands. */
import { api, call } from '$lib/api';
import { live, type WorkflowUpdate } from '$lib/live/live';
import type { Execution } from '$types/workflow';

const PAGE = 200;
const SOON = 60;

/** Follows the executions of one workflow until it is closed. */
export class Executions {
  list = $state.raw<readonly Execution[]>([]);
  loading = $state(true);
  error = $state.raw<unknown>(null);
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** How many answers are on their way, and whether one more is wanted after them. */
  #under = 0;
  #again = false;
  #closed = false;
  readonly #stops: (() => void)[];

  constructor(readonly workflowId: string) {
    this.#stops = [
      live.on('workflow_update', (told) => this.#told(told)),
      live.onReset(() => void this.load()),
    ];
    void this.load();
  }

  /** The one that is shown unless another is asked for: the newest that has begun. */
  get shown(): Execution | null {
    return this.list.findLast((each) => each.status !== 'queued') ?? this.list.at(-1) ?? null;
  }

  /** Returns the execution of a run. */
  of(runId: string | null): Execution | null {
    return this.list.find((each) => each.run_id === runId) ?? null;
  }

  /** Loads them anew. */
  async load(): Promise<void> {
    const asked = ++this.#asked;
    this.#under++;
    try {
      const found = await allOf(this.workflowId);
      if (asked !== this.#asked) return;
      this.list = found.toSorted((one, other) => one.ordinal - other.ordinal);
      this.error = null;
    } catch (error) {
      if (asked !== this.#asked) return;
      this.error = error;
    } finally {
      this.#under--;
      if (this.#again && !this.#under) this.#soon();
    }
    this.loading = false;
  }

  close(): void {
    this.#closed = true;
    this.#asked++;
    if (this.#timer) clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
  }

  #told({ workflow_id, run_id, status }: WorkflowUpdate): void {
    if (workflow_id !== this.workflowId) return;
    if (run_id && isStatus(status))
      this.list = this.list.map((each) => (each.run_id === run_id ? { ...each, status } : each));
    this.#soon();
  }

  /** Loads in a moment; while an answer is on its way, after it: otherwise a busy server would never be heard. */
  #soon(): void {
    this.#again = this.#under > 0;
    if (this.#again || this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#under) this.#again = true;
      else void this.load();
    }, SOON);
  }
}

const STATUSES = ['queued', 'running', 'completed', 'error', 'cancelled', 'interrupted'] as const;

function isStatus(status: string): status is Execution['status'] {
  return (STATUSES as readonly string[]).includes(status);
}

async function allOf(workflowId: string): Promise<Execution[]> {
  const found: Execution[] = [];
  for (;;) {
    const params = { path: { workflow_id: workflowId }, query: { limit: PAGE, offset: found.length } };
    const page = await call(api.GET('/api/workflows/{workflow_id}/executions', { params }));
    found.push(...page);
    if (page.length < PAGE) return found;
  }
}
