/** The time of day as it passes, for what is told as "3 min ago": one clock for the page, twice a minute. */
import { clock as server } from '$lib/live/clock';

class Clock {
  #here = $state(Date.now());

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.#here = Date.now();
    }, 30_000);
    document.addEventListener('visibilitychange', () => (this.#here = Date.now()));
  }

  /** What the server's clock says (Unix milliseconds): the times that are told are the server's. */
  get now(): number {
    return server.now(this.#here);
  }
}

export const clock = new Clock();
