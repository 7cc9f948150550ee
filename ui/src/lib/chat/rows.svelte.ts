/** What the tables tell of a workflow's answers: loaded when a chat opens, and when an execution is over. */
import { live } from '$lib/live/live';
import { backgroundWorkflowsStore } from '$lib/stores/background';
import { loadState } from '$lib/stores/states';
import type { WorkflowFullState } from '$types/workflow';

/** Follows the rows of one workflow until it is closed. */
export class Rows {
  state = $state.raw<WorkflowFullState | null>(null);
  error = $state.raw<unknown>(null);
  #asked = 0;
  readonly #stops: (() => void)[];

  constructor(readonly workflowId: string) {
    this.#stops = [
      backgroundWorkflowsStore.onEnd((told) => {
        if (told.workflow_id === workflowId) void this.load();
      }),
      live.onReset(() => void this.load()),
    ];
    void this.load();
  }

  async load(): Promise<void> {
    const asked = ++this.#asked;
    try {
      const state = await loadState(this.workflowId);
      if (asked !== this.#asked) return;
      this.state = state;
      this.error = null;
    } catch (error) {
      if (asked === this.#asked) this.error = error;
    }
  }

  close(): void {
    this.#asked++;
    for (const stop of this.#stops) stop();
  }
}
