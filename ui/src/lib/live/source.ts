/** The one connection: an event stream that is opened again by itself, after the last event that came. */
import { EVENT_NAMES, RESET, type LinkState, type LinkTold, type RawEvent } from './told';

/** How long it waits before the second try, and at the most (milliseconds). */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 20_000;
/** A clock that stood still for so long says that the machine slept (milliseconds). */
const SLEPT = 20_000;
const LOOK = 5_000;

/** What a source needs of its surroundings; tests give their own. */
export interface Surroundings {
  open: (url: string) => EventSource;
  ask: (url: string) => Promise<Response>;
  now: () => number;
  random: () => number;
}

export const BROWSER: Surroundings = {
  open: (url) => new EventSource(url),
  ask: (url) => fetch(url, { cache: 'no-store', credentials: 'same-origin' }),
  now: () => Date.now(),
  random: () => Math.random(),
};

/**
 * Holds an event stream open.
 *
 * The browser's own way of coming back gives up at any answer but 200, and does not say when it tries; so each broken
 * stream is closed and opened anew, with the id of the last event. Where no event came before it broke, nobody knows
 * what was missed, and that is told as a `stream_reset`.
 */
export class Source {
  state: LinkState = 'connecting';
  retryAt: number | null = null;
  #stream: EventSource | null = null;
  #last = '';
  #tries = 0;
  #wasOpen = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #looked = 0;
  #ended = false;
  readonly #online = () => this.renew();

  constructor(
    private readonly root: string,
    private readonly take: (event: RawEvent) => void,
    private readonly changed: (told: Omit<LinkTold, 'kind' | 'tabs'>) => void,
    private readonly around: Surroundings = BROWSER,
  ) {}

  /** Opens the stream, and watches whether the machine sleeps. */
  start(): void {
    this.#looked = this.around.now();
    this.#watch = setInterval(() => this.#awake(), LOOK);
    globalThis.addEventListener?.('online', this.#online);
    this.#open();
  }

  /** Closes it for good. */
  stop(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    globalThis.removeEventListener?.('online', this.#online);
    this.#close();
  }

  /** Tries now instead of later; what is connected stays so. */
  retryNow(): void {
    if (this.#ended || this.state === 'connected') return;
    this.#tries = 0;
    this.#close();
    this.#open();
  }

  /** Opens it anew although it seems to stand: after sleep, or in another network, it may hang. */
  renew(): void {
    if (this.#ended || this.state !== 'connected') {
      this.retryNow();
      return;
    }
    this.#close();
    this.#tell('reconnecting');
    this.#open();
  }

  /** Waits for somebody to sign in. */
  unauthorized(): void {
    if (this.#ended || this.state === 'unauthorized') return;
    this.#close();
    clearTimeout(this.#timer);
    this.#tell('unauthorized');
  }

  #open(): void {
    clearTimeout(this.#timer);
    this.#tell(this.state === 'connecting' ? 'connecting' : 'reconnecting');
    const after = this.#last ? `?after=${encodeURIComponent(this.#last)}` : '';
    const stream = (this.#stream = this.around.open(`${this.root}/api/events${after}`));
    stream.onopen = () => this.#opened(stream);
    stream.onerror = () => {
      if (stream === this.#stream) void this.#broke();
    };
    for (const name of [...EVENT_NAMES, RESET])
      stream.addEventListener(name, (event: MessageEvent<string>) => {
        if (stream === this.#stream) this.#took(name, event);
      });
  }

  #opened(stream: EventSource): void {
    if (stream !== this.#stream) return;
    this.#tries = 0;
    if (this.#wasOpen && !this.#last) this.take([RESET, '{"reason":"unknown"}', '']);
    this.#wasOpen = true;
    this.#tell('connected');
  }

  #took(name: string, event: MessageEvent<string>): void {
    this.#last = event.lastEventId || this.#last;
    this.take([name, event.data, event.lastEventId]);
  }

  #close(): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.close();
  }

  async #broke(): Promise<void> {
    this.#close();
    const wait =
      this.#tries === 0
        ? 100 + 150 * this.around.random()
        : this.#longer() * (0.5 + 0.5 * this.around.random());
    this.#tries++;
    this.#tell(this.state === 'connecting' ? 'connecting' : 'reconnecting', this.around.now() + wait);
    this.#timer = setTimeout(() => void this.#again(), wait);
  }

  #longer(): number {
    return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#tries - 1));
  }

  /** Asks first whether this browser is let in: the stream itself does not say why it is refused. */
  async #again(): Promise<void> {
    let refused = false;
    try {
      const answer = await this.around.ask(`${this.root}/api/session`);
      const session = (answer.ok ? await answer.json() : null) as {
        token_needed?: boolean;
        open?: boolean;
      } | null;
      refused = answer.status === 401 || (session?.token_needed === true && session.open === false);
    } catch {
      // the server is away: opening the stream fails, too, and is tried later
    }
    if (this.#ended || this.#stream) return;
    if (refused) this.unauthorized();
    else this.#open();
  }

  #awake(): void {
    const now = this.around.now();
    const slept = now - this.#looked > LOOK + SLEPT;
    this.#looked = now;
    if (slept) this.renew();
  }

  #tell(state: LinkState, retryAt: number | null = null): void {
    this.state = state;
    this.retryAt = retryAt;
    this.changed({ state, retryAt });
  }
}
