/** Lays out large graphs beside the page, so that it goes on answering meanwhile. */
import type { Frame } from './frames';
import { layout } from './layout';

interface Asked {
  number: number;
  frames: Frame[];
  links: [string, string][];
}

addEventListener('message', (event: MessageEvent<Asked>) => {
  const { number, frames, links } = event.data;
  postMessage({ number, placed: layout(frames, links) });
});
