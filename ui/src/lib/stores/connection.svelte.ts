/** How the page is connected to the server, and when it tries again. */
import { live } from '$lib/live/live';
import type { LinkState, LinkTold } from '$lib/live/told';

class Connection {
  state = $state<LinkState>('connecting');
  /** How many tabs share the connection. */
  tabs = $state(1);
  /** When it is tried again (Unix milliseconds of this browser); null unless it waits for that. */
  retryAt = $state<number | null>(null);

  constructor() {
    live.onLink((told) => this.#take(told));
  }

  /** Tries now: after signing in, or because somebody does not want to wait. */
  retryNow(): void {
    live.retry();
  }

  #take(told: LinkTold): void {
    this.state = told.state;
    this.tabs = told.tabs;
    this.retryAt = told.retryAt;
  }
}

export const connectionStore = new Connection();
