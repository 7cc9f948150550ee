/** How long runs of a name usually take: the median of the last twenty that completed. */
import { api, call } from '$lib/api';
import { SvelteMap } from 'svelte/reactivity';
import type { RunItem } from '$types/api';

const LAST = 20;
/** How many are asked for at once. */
const AT_ONCE = 4;

/** Returns the middle of the numbers, null of none. */
export function medianOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) return null;
  return sorted.length % 2 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export interface Bar {
  /** The share of the bar that is filled, and where the median stands in it. */
  filled: number;
  median: number | null;
  /** How much longer than the median, as a share of it: 0.25 is a quarter longer; null without one. */
  over: number | null;
}

/** Returns how a duration is drawn against the median: the bar is as long as the longer of twice the median. */
export function barOf(seconds: number, median: number | null): Bar {
  if (median === null || median <= 0) return { filled: seconds > 0 ? 0.5 : 0, median: null, over: null };
  const whole = Math.max(seconds, median * 2);
  return { filled: seconds / whole, median: median / whole, over: seconds / median - 1 };
}

/** The medians of the names that are shown: each is asked for once, and again when a run of the name has ended. */
export class Medians {
  readonly #known = new SvelteMap<string, number | null>();
  readonly #asked = new Set<string>();
  readonly #waiting = new Set<string>();
  #busy = 0;

  /** Returns the median of a name in seconds; null while it is not known, or when nothing completed. */
  of(name: string): number | null {
    return this.#known.get(name) ?? null;
  }

  /** Asks for what is not known of these names. */
  need(names: Iterable<string>): void {
    for (const name of names) {
      if (this.#asked.has(name)) continue;
      this.#asked.add(name);
      this.#waiting.add(name);
    }
    this.#next();
  }

  /** Asks for what waits, a few names at once. */
  #next(): void {
    for (const name of this.#waiting) {
      if (this.#busy >= AT_ONCE) return;
      this.#waiting.delete(name);
      this.#busy++;
      void this.#load(name).finally(() => {
        this.#busy--;
        this.#next();
      });
    }
  }

  /** Asks anew for a name of which a run has ended. */
  renew(name: string): void {
    if (!this.#asked.has(name)) return;
    this.#waiting.add(name);
    this.#next();
  }

  async #load(name: string): Promise<void> {
    try {
      const query = { name, status: 'completed' as const, limit: LAST };
      const page = await call(api.GET('/api/runs', { params: { query } }));
      this.#known.set(name, medianOf(page.items.map((run: RunItem) => run.duration)));
    } catch {
      this.#asked.delete(name); // the bar has no mark until it can be asked again
    }
  }
}
