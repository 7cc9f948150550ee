/** The time of day as it passes, for what is told as "3 min ago": one clock for the page, twice a minute. */

class Clock {
  /** Unix milliseconds. */
  now = $state(Date.now());

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.now = Date.now();
    }, 30_000);
    document.addEventListener('visibilitychange', () => (this.now = Date.now()));
  }
}

export const clock = new Clock();
