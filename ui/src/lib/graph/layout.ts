/** Places the boxes of a graph from left to right, level by level: what stands in a box is laid out before the box. */
import { Graph, layout as dagre } from '@dagrejs/dagre';
import type { Box } from './shape';

/** What has to be placed, as it can be sent to a worker. */
export interface Frame {
  id: string;
  open: boolean;
  frames: Frame[];
  links: [from: string, to: string][];
}

export interface Place {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Where everything stands; `joints` are points at which many lines come together, by the ids of their level's box. */
export interface Placed {
  places: Record<string, Place>;
  width: number;
  height: number;
}

export const NODE = { width: 184, height: 46 };
const HEAD = 30;
const EDGE = 14;

/** Returns what has to be placed of boxes. */
export function framesOf(boxes: readonly Box[]): Frame[] {
  return boxes.map((box) => ({
    id: box.unit.id,
    open: box.open,
    frames: framesOf(box.boxes),
    links: box.links.map(({ from, to }) => [from, to]),
  }));
}

/** Returns where boxes stand, from the upper left corner of the whole graph. */
export function layout(frames: readonly Frame[], links: readonly [string, string][]): Placed {
  const places: Record<string, Place> = {};
  const whole = level(frames, links, places);
  absolute(frames, places, 0, 0);
  return { places, ...whole };
}

function level(
  frames: readonly Frame[],
  links: readonly [string, string][],
  places: Record<string, Place>,
): { width: number; height: number } {
  const graph = new Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 16, ranksep: 44, marginx: 0, marginy: 0 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const frame of frames) {
    const inner = frame.open ? level(frame.frames, frame.links, places) : null;
    const size = inner
      ? { width: Math.max(NODE.width, inner.width + 2 * EDGE), height: inner.height + HEAD + EDGE }
      : NODE;
    graph.setNode(frame.id, { ...size });
  }
  for (const [from, to] of links) graph.setEdge(from, to);
  dagre(graph);
  let right = 0;
  let bottom = 0;
  for (const frame of frames) {
    const { x, y, width, height } = graph.node(frame.id) as { x: number; y: number; width: number; height: number };
    const place = { x: x - width / 2, y: y - height / 2, width, height };
    places[frame.id] = place;
    right = Math.max(right, place.x + width);
    bottom = Math.max(bottom, place.y + height);
  }
  return { width: right, height: bottom };
}

function absolute(frames: readonly Frame[], places: Record<string, Place>, left: number, top: number): void {
  for (const frame of frames) {
    const place = places[frame.id];
    if (!place) continue;
    place.x += left;
    place.y += top;
    if (frame.open) absolute(frame.frames, places, place.x + EDGE, place.y + HEAD);
  }
}
