/** What a run that is over gained by running things together, and what it used: measured once for each that is shown. */
import { api, call } from '$lib/api';
import { SvelteMap } from 'svelte/reactivity';
import type { RunItem, RunMetrics } from '$types/api';

/** Logs longer than this are not read for one figure of a list. */
const MOST_EVENTS = 20_000;
const AT_ONCE = 2;

export interface Measure {
  /** Null where a single operation ran. */
  speedup: number | null;
  tokens: number;
  /** US dollars; null when a price is unknown. */
  cost: number | null;
}

/** Returns the figures that a list shows of a run. */
export function measureOf(metrics: RunMetrics): Measure {
  return {
    speedup: metrics.operations > 1 && metrics.total_duration > 0 ? metrics.speedup_factor : null,
    tokens: (metrics.tokens_input ?? 0) + (metrics.tokens_output ?? 0),
    cost: metrics.cost ?? null,
  };
}

/** Measures the runs that are asked for, two at a time, the last asked for first; forgets those that ran again. */
export class Measures {
  readonly #known = new SvelteMap<string, Measure>();
  #waiting: string[] = [];
  #asked = new Map<string, number | null>();
  #busy = 0;

  of(id: string): Measure | null {
    return this.#known.get(id) ?? null;
  }

  /** Asks for the runs that are shown now; those that wait and are not shown any more are not asked for. */
  need(runs: readonly RunItem[]): void {
    for (const id of this.#waiting) this.#asked.delete(id);
    this.#waiting = [];
    for (const run of runs) {
      if (run.ended_at === null || run.events > MOST_EVENTS) continue;
      if (this.#asked.get(run.id) === run.ended_at) continue;
      this.#asked.set(run.id, run.ended_at);
      this.#waiting.push(run.id);
    }
    this.#next();
  }

  #next(): void {
    while (this.#busy < AT_ONCE) {
      const id = this.#waiting.shift();
      if (id === undefined) return;
      this.#busy++;
      void this.#load(id).finally(() => {
        this.#busy--;
        this.#next();
      });
    }
  }

  async #load(id: string): Promise<void> {
    try {
      const found = await call(api.GET('/api/runs/{run_id}/metrics', { params: { path: { run_id: id } } }));
      this.#known.set(id, measureOf(found));
    } catch {
      this.#asked.delete(id); // it may be gone by now, or be asked again
    }
  }
}
