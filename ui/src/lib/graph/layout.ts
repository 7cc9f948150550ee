/** Places the boxes of a graph from left to right, level by level; what would be too wide goes on in the next row. */
import { Graph, layout as dagre } from '@dagrejs/dagre';
import type { Frame, Place, Placed } from './frames';

export const NODE = { width: 184, height: 46 };
const HEAD = 30;
const EDGE = 14;
/** How far apart rows stand, and how many times wider than high a level may become before it has rows. */
const BETWEEN = 40;
const SHAPE = 2.1;
/** How wide a level may be in any case, and by how many lines rows may be joined. */
const NARROW = 1000;
const JOINED = 4;

interface Column {
  ids: string[];
  left: number;
  right: number;
}

/** Returns where boxes stand, from the upper left corner of the whole graph. */
export function layout(frames: readonly Frame[], links: readonly [string, string][]): Placed {
  const found: Placed = { places: {}, turns: {}, width: 0, height: 0 };
  Object.assign(found, level(frames, links, false, found));
  absolute(frames, links, found, 0, 0);
  return found;
}

function level(
  frames: readonly Frame[],
  links: readonly [string, string][],
  marked: boolean,
  found: Placed,
): { width: number; height: number } {
  const graph = new Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 16, ranksep: marked ? 104 : 44, marginx: 0, marginy: 0 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const frame of frames) {
    const inner = frame.open ? level(frame.frames, frame.links, frame.marked, found) : null;
    const size = inner
      ? { width: Math.max(NODE.width, inner.width + 2 * EDGE), height: inner.height + HEAD + EDGE }
      : NODE;
    graph.setNode(frame.id, { ...size });
  }
  for (const [from, to] of links) graph.setEdge(from, to);
  dagre(graph);
  const columns = new Map<number, Column>();
  for (const frame of frames) {
    const { x, y, width, height } = graph.node(frame.id) as Place;
    const place = { x: x - width / 2, y: y - height / 2, width, height };
    found.places[frame.id] = place;
    const column = columns.get(Math.round(x)) ?? { ids: [], left: Infinity, right: 0 };
    column.ids.push(frame.id);
    column.left = Math.min(column.left, place.x);
    column.right = Math.max(column.right, place.x + width);
    columns.set(Math.round(x), column);
  }
  return rows(
    [...columns.values()].sort((a, b) => a.left - b.left),
    links,
    found,
  );
}

/** Moves columns that would be too far to the right into rows below; returns the size of them all. */
function rows(
  columns: readonly Column[],
  links: readonly [string, string][],
  { places, turns }: Placed,
): { width: number; height: number } {
  const size = { width: 0, height: 0 };
  const all = (ids: readonly string[]) => ids.flatMap((id) => places[id] ?? []);
  const boxes = all(columns.flatMap((column) => column.ids));
  const high = boxes.reduce((most, place) => Math.max(most, place.y + place.height), 0);
  const wide = boxes.reduce((most, place) => Math.max(most, place.x + place.width), 0);
  const most = Math.max(NARROW, Math.sqrt(wide * (high + BETWEEN) * SHAPE));
  const at = new Map(columns.flatMap((column, number) => column.ids.map((id) => [id, number] as const)));
  const lines = links.map(([from, to]) => [at.get(from) ?? 0, at.get(to) ?? 0, `${from}>${to}`] as const);
  const begins = [0];
  for (let number = 1; number < columns.length && wide > most * 1.3; number++) {
    const begun = columns[begins.at(-1) ?? 0]?.left ?? 0;
    const crossing = lines.filter(([from, to]) => from < number && to >= number).length;
    if ((columns[number]?.right ?? 0) - begun > most && crossing <= JOINED) begins.push(number);
  }
  begins.forEach((begin, row) => {
    const end = begins[row + 1] ?? columns.length;
    const inside = all(columns.slice(begin, end).flatMap((column) => column.ids));
    const left = columns[begin]?.left ?? 0;
    const top = inside.reduce((least, place) => Math.min(least, place.y), Infinity);
    const start = row === 0 ? 0 : size.height + BETWEEN;
    for (const place of inside) {
      place.x -= left;
      place.y += start - top;
      size.width = Math.max(size.width, place.x + place.width);
      size.height = Math.max(size.height, place.y + place.height);
    }
    for (const [from, to, id] of lines)
      if (from >= begin && from < end && to >= end) turns[id] = size.height + BETWEEN / 2;
  });
  return size;
}

function absolute(
  frames: readonly Frame[],
  links: readonly [string, string][],
  { places, turns }: Placed,
  left: number,
  top: number,
): void {
  for (const [from, to] of links) {
    const turn = turns[`${from}>${to}`];
    if (turn !== undefined) turns[`${from}>${to}`] = turn + top;
  }
  for (const frame of frames) {
    const place = places[frame.id];
    if (!place) continue;
    place.x += left;
    place.y += top;
    if (frame.open)
      absolute(
        frame.frames,
        frame.links,
        { places, turns, width: 0, height: 0 },
        place.x + EDGE,
        place.y + HEAD,
      );
  }
}
