/** How the page is connected to the server, and when it tries again. */
import { live } from '$lib/live/live';
import type { LinkState, LinkTold } from '$lib/live/told';

class Connection {
  state = $state<LinkState>('connecting');
  /** How many tabs share the connection. */
  tabs = $state(1);
  /** When it is tried again (Unix milliseconds of this browser); null unless it waits for that. */
  retryAt = $state<number | null>(null);
  #refused = false;
  #letIn = new Set<() => void>();

  constructor() {
    live.onLink((told) => this.#take(told));
  }

  /** Tries now: after signing in, or because somebody does not want to wait. */
  retryNow(): void {
    live.retry();
  }

  /** Calls a function when this browser is let in after it was refused, in whichever tab; returns how to stop. */
  onLetIn(handler: () => void): () => void {
    this.#letIn.add(handler);
    return () => this.#letIn.delete(handler);
  }

  #take(told: LinkTold): void {
    this.state = told.state;
    this.tabs = told.tabs;
    this.retryAt = told.retryAt;
    if (told.state === 'unauthorized') this.#refused = true;
    if (told.state !== 'connected' || !this.#refused) return;
    this.#refused = false;
    for (const handler of this.#letIn) handler();
  }
}

export const connectionStore = new Connection();
