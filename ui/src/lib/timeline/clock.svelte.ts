/** What moves by itself in the timeline of a live run: the clock, and the count of what is new. */
import { untrack } from 'svelte';
import type { Board } from './board.svelte';

/** How often the clock of a live run is moved on (milliseconds): each second frame, or calmly when somebody asked. */
const OFTEN = 33;
const CALM = 1000;

/** Calls back behind the next frame; returns how to take that back. */
export function afterFrame(does: () => void): () => void {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const frame = requestAnimationFrame(() => (waiting = setTimeout(does)));
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(waiting);
  };
}

/** Moves the clock of a board on as long as its run lives and the page is looked at. */
export function runClock(board: Board): void {
  $effect(() => {
    void board.trace.spans;
    untrack(() => board.tick());
  });
  $effect(() => {
    if (!board.trace.lives) return;
    const pause = matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM : OFTEN;
    let last = 0;
    let frame = requestAnimationFrame(function step(at) {
      if (at - last >= pause) {
        last = at;
        board.tick();
      }
      frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  });
}

/** Calls back when steps have come while the newest are followed, and counts them otherwise. */
export function countNew(board: Board, followed: () => void): void {
  let known = untrack(() => board.trace.spans.length);
  $effect(() => {
    const more = board.trace.spans.length - known;
    known += more;
    if (!board.trace.lives || more <= 0) return;
    untrack(() => {
      if (board.follows) followed();
      else board.fresh += more;
    });
  });
}
