/** The plans of a run: loaded once for all who look at them, and anew when the run goes on. */
import { api, call } from '$lib/api';
import { live } from '$lib/live/live';
import type { PlanItem } from '$types/plan';
import type { SpanUpdate } from '$types/trace';

/** At the soonest so long after the last time plans are asked for again (milliseconds). */
const PAUSE = 1500;

/** What the steps of one run planned, in the order in which they did. */
export class Plans {
  items = $state.raw<readonly PlanItem[]>([]);
  loading = $state(true);
  error = $state.raw<unknown>(null);
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stops: (() => void)[];

  constructor(readonly runId: string) {
    this.#stops = [
      live.on('span_update', (data) => this.take(data as SpanUpdate)),
      live.onReset(() => void this.load()),
    ];
    void this.load();
  }

  async load(): Promise<void> {
    const asked = ++this.#asked;
    try {
      const found = await call(
        api.GET('/api/runs/{run_id}/plan', { params: { path: { run_id: this.runId } } }),
      );
      if (asked !== this.#asked) return;
      // the same plans need not be drawn again; one that is known gets its paths as its steps begin
      if (JSON.stringify(found) !== JSON.stringify(this.items)) this.items = found;
      this.error = null;
    } catch (error) {
      if (asked === this.#asked) this.error = error;
    }
    if (asked === this.#asked) this.loading = false;
  }

  /** Takes an update of any run's steps: a batch of calls that is new, or the end, may mean a new plan. */
  take(update: SpanUpdate): void {
    if (update.run_id !== this.runId) return;
    if (!update.over && !update.spans.some((span) => span.kind === 'tools' || span.kind === 'call')) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.load();
    }, PAUSE);
  }

  close(): void {
    this.#asked++;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
  }
}

/** Returns the plans of a run; who opens them closes them. */
export function openPlans(runId: string): Plans {
  return new Plans(runId);
}
