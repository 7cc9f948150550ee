/** What has to be placed of a graph, and where it stands then; what places it is loaded when it is needed. */
import type { Box } from './shape';

/** What has to be placed, as it can be sent to a worker. */
export interface Frame {
  id: string;
  open: boolean;
  /** Whether lines in it bear marks, which need room. */
  marked: boolean;
  frames: Frame[];
  links: [from: string, to: string][];
}

export interface Place {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Where everything stands, from the upper left corner of the whole graph. */
export interface Placed {
  places: Record<string, Place>;
  /** At which height a line (`from>to`) that goes on in another row turns back. */
  turns: Record<string, number>;
  width: number;
  height: number;
}

/** Returns what has to be placed of boxes. */
export function framesOf(boxes: readonly Box[]): Frame[] {
  return boxes.map((box) => ({
    id: box.unit.id,
    open: box.open,
    marked: box.links.some(({ reason }) => reason !== ''),
    frames: framesOf(box.boxes),
    links: box.links.map(({ from, to }) => [from, to]),
  }));
}
