/** The runs that a filter finds, newest first: loaded as far as somebody scrolls, kept up to date as they change. */
import { api, call } from '$lib/api';
import { clock } from '$lib/live/clock';
import { live } from '$lib/live/live';
import { askedOf, type RunFilter } from '$lib/runs/filters';
import { endedSince, merged } from '$lib/runs/order';
import type { RunItem } from '$types/api';

const PAGE = 100;
const MOST = 200;
const SOON = 150;

/** Follows the runs that one filter finds, until it is closed. */
export class Runs {
  list = $state.raw<readonly RunItem[]>([]);
  total = $state(0);
  loading = $state(true);
  /** Whether a further page is being loaded. */
  growing = $state(false);
  error = $state.raw<unknown>(null);
  /** When the list was told last, in this browser's time: what still runs is longer by now. */
  told = $state(Date.now());
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How many answers are on their way, and whether one more is wanted after them. */
  #under = 0;
  #again = false;
  #closed = false;
  readonly #stops: (() => void)[];

  constructor(
    readonly filter: RunFilter,
    /** Called with each run that has ended while somebody looked. */
    readonly onended: (run: RunItem) => void = () => {},
  ) {
    this.#stops = [
      live.on('run_update', () => this.#soon()),
      live.on('workflow_update', (told) => {
        if (told.run_id) this.#soon();
      }),
      live.onReset(() => void this.load()),
    ];
    void this.load();
  }

  get hasMore(): boolean {
    return this.list.length < this.total;
  }

  /** Loads what is shown anew, as far as one answer holds. */
  async load(): Promise<void> {
    const asked = ++this.#asked;
    this.#under++;
    try {
      const limit = Math.min(Math.max(this.list.length, PAGE), MOST);
      const page = await this.#page(0, limit);
      if (asked !== this.#asked) return;
      const before = this.list;
      // what lies beyond this answer is kept as it was known
      const last = page.items.at(-1);
      const beyond =
        page.items.length < page.total && last
          ? this.list.filter((run) => run.started_at < last.started_at)
          : [];
      this.list = merged(beyond, page.items);
      this.total = page.total;
      this.told = Date.now();
      this.error = null;
      for (const run of endedSince(before, page.items)) this.onended(run);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.error = error;
    } finally {
      this.#under--;
      if (this.#again && !this.#under) this.#soon();
    }
    this.loading = false;
  }

  /** Loads a further page. */
  async more(): Promise<void> {
    if (this.growing || this.loading || !this.hasMore) return;
    this.growing = true;
    const asked = this.#asked;
    try {
      const page = await this.#page(this.list.length, PAGE);
      if (asked !== this.#asked) return;
      this.list = merged(this.list, page.items);
      this.total = page.items.length ? page.total : this.list.length;
    } catch (error) {
      if (asked === this.#asked) this.error = error;
    } finally {
      this.growing = false;
    }
  }

  close(): void {
    this.#closed = true;
    this.#asked++;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
  }

  /** Loads in a moment; while an answer is on its way, after it: otherwise a busy server would never be heard. */
  #soon(): void {
    this.#again = this.#under > 0;
    if (this.#again || this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#under) this.#again = true;
      else void this.load();
    }, SOON);
  }

  #page(offset: number, limit: number) {
    const given = Object.entries(askedOf(this.filter, clock.now())).filter(([, value]) => value !== null);
    return call(api.GET('/api/runs', { params: { query: { ...Object.fromEntries(given), limit, offset } } }));
  }
}
