/** Decides where a graph is laid out: small ones at once, large ones in a worker that is started when it is needed. */
import type { Frame, Placed } from './frames';

/** From how many boxes on a worker does it. */
export const LARGE = 150;

interface Answer {
  number: number;
  placed: Placed;
}

/** Lays out graphs; an answer that came too late, because another was asked for since, is null. */
export class Placing {
  #worker: Worker | null = null;
  #number = 0;

  async place(frames: Frame[], links: [string, string][], count: number): Promise<Placed | null> {
    const number = ++this.#number;
    if (count < LARGE) {
      const { layout } = await import('./layout');
      return number === this.#number ? layout(frames, links) : null;
    }
    const worker = (this.#worker ??= new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }));
    return new Promise((resolve, reject) => {
      const stop = new AbortController();
      worker.addEventListener(
        'message',
        (event: MessageEvent<Answer>) => {
          if (event.data.number !== number) return;
          stop.abort();
          resolve(number === this.#number ? event.data.placed : null);
        },
        { signal: stop.signal },
      );
      worker.addEventListener('error', (event) => reject(new Error(event.message)), { signal: stop.signal });
      worker.postMessage({ number, frames, links });
    });
  }

  close(): void {
    this.#number++;
    this.#worker?.terminate();
    this.#worker = null;
  }
}
