/** A stretch of a run's log as far as somebody has read: it grows at both ends, and at its end as the run goes on. */
import { api, call } from '$lib/api';
import { live } from '$lib/live/live';
import type { EventItem } from '$types/api';
import type { SpanUpdate } from '$types/trace';
import type { Kind } from './lines';

/** How many lines are asked for at once, and how many are kept. */
const AT_ONCE = 500;
const MOST = 60_000;

export class RunLog {
  lines = $state.raw<readonly EventItem[]>([]);
  /** From which place of the log on it has been read, and up to which (exclusive). */
  from = $state(0);
  to = $state(0);
  /** How many lines the log has, as far as is known. */
  total = $state(0);
  loading = $state(true);
  error = $state.raw<unknown>(null);
  #kinds: readonly Kind[] | null = null;
  #asked = 0;
  #busy = false;
  readonly #stops: (() => void)[];

  constructor(readonly runId: string) {
    this.#stops = [
      live.on('span_update', (data) => this.told(data as SpanUpdate)),
      live.onReset(() => void this.measure()),
    ];
  }

  get hasMore(): boolean {
    return this.to < this.total;
  }

  get hasBefore(): boolean {
    return this.from > 0;
  }

  /** Begins anew at a place of the log, with lines of some kinds only; a negative place counts from the end. */
  async begin(place: number, kinds: readonly Kind[] | null): Promise<void> {
    this.#kinds = kinds;
    const asked = ++this.#asked;
    this.#busy = false;
    this.loading = true;
    await this.measure();
    if (asked !== this.#asked) return;
    this.from = this.to = Math.max(0, Math.min(place < 0 ? this.total + place : place, this.total));
    this.lines = [];
    await this.more();
    if (asked === this.#asked && this.lines.length === 0 && this.hasBefore) await this.before();
    if (asked === this.#asked) this.loading = false;
  }

  /** Asks how long the log is now. */
  async measure(): Promise<void> {
    try {
      const run = await call(api.GET('/api/runs/{run_id}', { params: { path: { run_id: this.runId } } }));
      this.total = Math.max(this.total, run.events);
      this.error = null;
    } catch (error) {
      this.error = error;
    }
  }

  /** Takes an update of any run's steps: it says how long the log is. */
  told(update: SpanUpdate): void {
    if (update.run_id !== this.runId) return;
    this.total = Math.max(this.total, update.seq);
    if (update.over || this.error) void this.measure(); // it was asked for before it began
  }

  /** Reads on at the end; says whether there were new lines. */
  async more(): Promise<boolean> {
    if (this.#busy || !this.hasMore) return false;
    return this.#reading(async (asked) => {
      const [since, end] = [this.to, this.total];
      const found = await this.#ask(since, AT_ONCE);
      if (asked !== this.#asked) return false;
      const last = found.at(-1);
      this.to = found.length === AT_ONCE && last ? last.seq + 1 : Math.max(end, last ? last.seq + 1 : 0);
      this.total = Math.max(this.total, this.to);
      const all = [...this.lines, ...found];
      this.lines = all.length > MOST ? all.slice(-MOST) : all;
      if (all.length > MOST) this.from = this.lines[0]?.seq ?? this.from;
      return found.length > 0;
    });
  }

  /** Reads what comes before; returns how many lines that are. */
  async before(): Promise<number> {
    if (this.#busy || !this.hasBefore) return 0;
    let count = 0;
    await this.#reading(async (asked) => {
      let reach = AT_ONCE;
      while (this.hasBefore && count < AT_ONCE / 2) {
        const start = Math.max(0, this.from - reach);
        const found = await this.#between(start, this.from);
        if (asked !== this.#asked) return false;
        this.from = start;
        count += found.length;
        this.lines = [...found, ...this.lines];
        reach *= 2;
      }
      if (this.lines.length > MOST) {
        this.lines = this.lines.slice(0, MOST);
        this.to = (this.lines.at(-1)?.seq ?? this.to) + 1;
      }
      return count > 0;
    });
    return count;
  }

  /** Returns one line whole. */
  async whole(seq: number): Promise<EventItem> {
    const path = { run_id: this.runId, seq };
    return call(api.GET('/api/runs/{run_id}/events/{seq}', { params: { path } }));
  }

  close(): void {
    this.#asked++;
    for (const stop of this.#stops) stop();
  }

  async #reading(work: (asked: number) => Promise<boolean>): Promise<boolean> {
    const asked = this.#asked;
    this.#busy = true;
    try {
      const found = await work(asked);
      if (asked === this.#asked) this.error = null;
      return found;
    } catch (error) {
      if (asked === this.#asked) this.error = error;
      return false;
    } finally {
      if (asked === this.#asked) this.#busy = false;
    }
  }

  async #between(start: number, end: number): Promise<EventItem[]> {
    const all: EventItem[] = [];
    let since = start;
    while (since < end) {
      const found = await this.#ask(since, AT_ONCE);
      all.push(...found.filter((line) => line.seq < end));
      const last = found.at(-1);
      if (!last || found.length < AT_ONCE) break;
      since = last.seq + 1;
    }
    return all;
  }

  async #ask(since: number, limit: number): Promise<EventItem[]> {
    const query = { since, limit, ...(this.#kinds ? { kind: [...this.#kinds] } : {}) };
    return call(api.GET('/api/runs/{run_id}/events', { params: { path: { run_id: this.runId }, query } }));
  }
}
