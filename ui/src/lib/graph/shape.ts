/** What a graph of a run is made of: steps that may hold others, and who comes after whom; how much of it is shown. */

export interface Unit {
  /** The path that is selected with it; of a fold, one that no step has. */
  id: string;
  label: string;
  kind: string;
  status: string;
  critical: boolean;
  /** Milliseconds since the run began; null while it has not begun, or not ended. */
  start: number | null;
  end: number | null;
  attempts: number;
  /** The paths of steps that are shown as this one, its own among them. */
  paths: readonly string[];
  inside: Inside | null;
  /** Whether it stands for many alike, and is closed until somebody opens it. */
  folds: boolean;
}

export interface Link {
  from: string;
  to: string;
  /** What is handed on, or what both touch; empty where it is only a matter of time. */
  label: string;
  /** Why, in words; empty where it is only a matter of time. */
  reason: string;
  critical: boolean;
}

export interface Inside {
  units: readonly Unit[];
  links: readonly Link[];
}

/** A unit as it is shown: open with what it holds, or closed. */
export interface Box {
  unit: Unit;
  parent: Box | null;
  depth: number;
  open: boolean;
  boxes: Box[];
  links: readonly Link[];
  /** How many units of this level are left out, because no graph of so many can be read. */
  left: number;
}

/** How many boxes a graph shows at the most without being asked for more. */
export const MOST = 300;

/** Says whether somebody has opened or closed a unit; undefined when nobody did. */
export type Chosen = ReadonlyMap<string, boolean>;

/** Returns how many boxes stand when everything above a depth is open (0: only the outermost). */
export function countTo(inside: Inside, depth: number, chosen: Chosen = new Map()): number {
  let count = 0;
  for (const unit of inside.units) {
    count++;
    const open = chosen.get(unit.id) ?? (depth > 0 && !unit.folds);
    if (unit.inside && open) count += countTo(unit.inside, depth - 1, chosen);
  }
  return count;
}

/** Returns how deep units lie in each other at the most. */
export function depthOf(inside: Inside): number {
  let deepest = 0;
  for (const unit of inside.units) if (unit.inside) deepest = Math.max(deepest, 1 + depthOf(unit.inside));
  return deepest;
}

/** Returns down to which depth units stand open, so that no more than so many boxes are shown. */
export function depthFor(inside: Inside, most = MOST): number {
  let depth = depthOf(inside);
  while (depth > 0 && countTo(inside, depth) > most) depth--;
  return depth;
}

/** Returns the boxes to be shown: units down to a depth stand open, unless somebody chose otherwise. */
export function boxesOf(inside: Inside, depth: number, chosen: Chosen = new Map(), most = MOST): Box[] {
  return level(inside, null, 0);

  function level(held: Inside, parent: Box | null, at: number): Box[] {
    return held.units.slice(0, most).map((unit) => {
      const open = unit.inside !== null && (chosen.get(unit.id) ?? (at < depth && !unit.folds));
      const box: Box = { unit, parent, depth: at, open, boxes: [], links: [], left: 0 };
      if (open && unit.inside) {
        box.boxes = level(unit.inside, box, at + 1);
        box.left = unit.inside.units.length - box.boxes.length;
        const shown = new Set(box.boxes.map((each) => each.unit.id));
        box.links = unit.inside.links.filter(({ from, to }) => shown.has(from) && shown.has(to));
      }
      return box;
    });
  }
}

/** Returns all boxes, outer before inner. */
export function flat(boxes: readonly Box[]): Box[] {
  return boxes.flatMap((box) => [box, ...flat(box.boxes)]);
}

/** Returns the ids of the units that hold a unit, from the outside in, itself at the end; empty when it is not there. */
export function wayTo(inside: Inside, path: string): string[] {
  for (const unit of inside.units) {
    if (unit.inside) {
      const way = wayTo(unit.inside, path);
      if (way.length > 0) return [unit.id, ...way];
    }
    if (unit.paths.includes(path)) return [unit.id];
  }
  return [];
}

/** Returns the shown box that stands for a step: its own, or the closed one that holds it. */
export function boxFor(boxes: readonly Box[], inside: Inside, path: string): Box | null {
  const way = new Set(wayTo(inside, path));
  let found: Box | null = null;
  for (const box of flat(boxes)) if (way.has(box.unit.id)) found = box;
  return found;
}

/** Returns what tells two graphs apart as far as their layout goes: not how their steps stand. */
export function outline(boxes: readonly Box[], links: readonly Link[]): string {
  const parts = boxes.map((box) => box.unit.id + (box.open ? `{${outline(box.boxes, box.links)}}` : ''));
  return `${parts.join('\n')}|${links.map(({ from, to }) => `${from}>${to}`).join('\n')}`;
}

const RANKS = [
  'failed',
  'timed_out',
  'abandoned',
  'waiting',
  'running',
  'pending',
  'cancelled',
  'completed',
  'skipped',
];

/** Returns the status of several steps together: what needs eyes first. */
export function joined(statuses: Iterable<string>): string {
  let best = RANKS.length - 1;
  let any = false;
  for (const status of statuses) {
    any = true;
    const rank = RANKS.indexOf(status);
    if (rank >= 0 && rank < best) best = rank;
  }
  return any ? (RANKS[best] ?? 'pending') : 'pending';
}

/** Returns how many of the steps that a fold holds ended how, what needs eyes first. */
export function tally(unit: Unit): { status: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const each of unit.inside?.units ?? []) counts.set(each.status, (counts.get(each.status) ?? 0) + 1);
  return [...counts]
    .map(([status, count]) => ({ status, count }))
    .sort((a, b) => RANKS.indexOf(a.status) - RANKS.indexOf(b.status));
}
