/** When what has changed is shown: once a frame, and where frames stand still, a few times a second. */

/** How often a tab that nobody sees is brought up to date (milliseconds). */
const HIDDEN = 250;

/** Runs a function once, some time after it was asked for, however often it is asked. */
export class Frames {
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly run: () => void) {
    if (typeof document !== 'undefined')
      document.addEventListener('visibilitychange', () => {
        if (this.waiting) this.#schedule();
      });
  }

  get waiting(): boolean {
    return this.#frame !== 0 || this.#timer !== undefined;
  }

  /** Has it run at the next frame. */
  ask(): void {
    if (!this.waiting) this.#schedule();
  }

  /** Runs it now when it was asked for. */
  now(): void {
    if (!this.waiting) return;
    this.#forget();
    this.run();
  }

  #schedule(): void {
    this.#forget();
    if (document.hidden) this.#timer = setTimeout(() => this.now(), HIDDEN);
    else this.#frame = requestAnimationFrame(() => this.now());
  }

  #forget(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    this.#timer = undefined;
  }
}
