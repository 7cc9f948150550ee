/** The server's clock as far as this browser can know it, so that elapsed times are right where the two differ. */

/**
 * Bounds by how much the server's clock is ahead of this one.
 *
 * What the server tells happened before it came here, so its time is a lower bound; the date of an answer, which is
 * cut to seconds, was made after the question was sent, so it gives an upper one. While both clocks may agree, they do.
 */
export class ServerClock {
  #low = -Infinity;
  #high = Infinity;

  /** Takes a time that the server told and that has come just now (Unix milliseconds). */
  seen(at: number, now = Date.now()): void {
    this.#bound(at - now, Infinity);
  }

  /** Takes the date of an answer (Unix milliseconds, cut to seconds) and when it was asked for. */
  answered(date: number, asked: number): void {
    if (Number.isFinite(date)) this.#bound(-Infinity, date + 1000 - asked);
  }

  #bound(low: number, high: number): void {
    const lower = Math.max(this.#low, low);
    const upper = Math.min(this.#high, high);
    // one of the clocks was set: what was known before is void
    if (lower > upper) [this.#low, this.#high] = [low, high];
    else [this.#low, this.#high] = [lower, upper];
  }

  /** By how much the server's clock is ahead (milliseconds). */
  get ahead(): number {
    return Math.min(Math.max(0, this.#low), this.#high);
  }

  /** Returns what the server's clock says now (Unix milliseconds). */
  now(now = Date.now()): number {
    return now + this.ahead;
  }
}

export const clock = new ServerClock();
