/** Finds the next box in a direction, for whoever moves through a graph by keys. */
import type { Place } from './frames';

const WAYS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Says whether a key moves through a graph. */
export function moves(key: string): boolean {
  return key in WAYS;
}

/** Returns the id of the nearest box in the direction of a key, null when nothing lies there. */
export function next(places: Readonly<Record<string, Place>>, from: string, key: string): string | null {
  const way = WAYS[key];
  const here = places[from];
  if (!way || !here) return null;
  const [x, y] = way;
  let best: string | null = null;
  let least = Infinity;
  for (const [id, place] of Object.entries(places)) {
    if (id === from) continue;
    // the upper left corners are compared: a box's head stands there, also where the box is large
    const [dx, dy] = [place.x - here.x, place.y - here.y];
    const along = dx * x + dy * y;
    if (along <= 1) continue;
    const distance = along + 2.5 * Math.abs(dx * y + dy * x);
    if (distance < least) [best, least] = [id, distance];
  }
  return best;
}
