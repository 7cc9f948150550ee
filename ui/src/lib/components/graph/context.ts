/** What the nodes of a graph share: how steps stand now, which is selected, and what may be done with one. */
import { createContext } from 'svelte';
import type { Box } from '$lib/graph/shape';

export interface GraphContext {
  box(id: string): Box | undefined;
  /** The box that is selected, and the one that the focus returns to. */
  readonly selected: string | null;
  readonly active: string | null;
  /** Milliseconds since the run began. */
  now(): number;
  select(id: string): void;
  toggle(id: string): void;
  pressed(event: KeyboardEvent, id: string): void;
}

export const [getGraph, setGraph] = createContext<GraphContext>();
