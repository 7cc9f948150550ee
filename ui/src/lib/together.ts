/** How many of several stretches of time overlap at the most. */

/** Returns how many stretches lie over one another at the most; one that ends when another begins is over by then. */
export function mostTogether(stretches: Iterable<readonly [from: number, to: number]>): number {
  const edges: [at: number, by: number][] = [];
  for (const [from, to] of stretches) edges.push([from, 1], [Math.max(from, to), -1]);
  edges.sort((one, other) => (one[0] === other[0] ? one[1] - other[1] : one[0] - other[0]));
  let most = 0;
  let here = 0;
  for (const [, by] of edges) most = Math.max(most, (here += by));
  return most;
}
