/** Where the bars, lines and labels of a row stand, in pixels of its track. */
import type { TimelineSpan } from '$types/trace';
import type { Axis } from './axis';
import { isGroup, type Tree } from './tree';
import type { View } from './viewport';

export interface Bar {
  left: number;
  width: number;
  status: string;
}

export interface Line {
  left: number;
  width: number;
  /** Whether it waited for room, for its turn in a retry, or for its call to be allowed and told. */
  kind: 'queue' | 'retry' | 'call';
}

export interface Label {
  text: string;
  /** Beside the bar, or inside of it. */
  side: 'right' | 'inside' | 'left' | 'edge';
  /** From the left, or for `inside`, `left` and `edge` from the right end of the track. */
  at: number;
}

export interface RowShape {
  group: boolean;
  bars: Bar[];
  lines: Line[];
  label: Label | null;
}

/** How wide a character of a label is (pixels). */
export const GLYPH = 6.7;
const LEAST = 3;
/** Bars end so far outside of the track that their ends are not seen. */
const BEYOND = 6;

export interface Frame {
  axis: Axis;
  view: View;
  width: number;
  /** Milliseconds. */
  now: number;
}

/** Returns the pixel of a time in a frame. */
export function pixel({ axis, view, width }: Frame, time: number): number {
  return ((axis.place(time) - view.from) / (view.to - view.from)) * width;
}

/** Returns the time at a pixel of a frame. */
export function timeAt({ axis, view, width }: Frame, x: number): number {
  return axis.time(view.from + (x / Math.max(width, 1)) * (view.to - view.from));
}

function cut(frame: Frame, from: number, to: number, least: number): { left: number; width: number } | null {
  const left = pixel(frame, from);
  const right = Math.max(pixel(frame, to), left + least);
  if (right < 0 || left > frame.width) return null;
  const shown = Math.max(left, -BEYOND);
  return { left: shown, width: Math.min(right, frame.width + BEYOND) - shown };
}

/** Returns what to draw of a row; `said` is its label. */
export function shapeOf(tree: Tree, at: number, frame: Frame, said: string): RowShape {
  const span = tree.spans[at] as TimelineSpan;
  const group = isGroup(tree, at);
  const shape: RowShape = { group, bars: [], lines: [], label: null };
  const line = (kind: Line['kind'], from: number, to: number) => {
    const place = to > from ? cut(frame, from, to, 0) : null;
    if (place && place.width >= 1) shape.lines.push({ ...place, kind });
  };
  if (span.start_ms === null) {
    if (said) shape.label = { text: said, side: 'edge', at: 6 };
    return shape;
  }
  const end = Math.max(span.end_ms ?? frame.now, span.start_ms);
  const tries = group || span.tries.length === 0 ? null : span.tries;
  if (tries) {
    tries.forEach((each, number) => {
      const place = cut(frame, each.start_ms, each.end_ms ?? Math.max(frame.now, each.start_ms), LEAST);
      if (place) shape.bars.push({ ...place, status: each.status });
      const before = tries[number - 1];
      if (typeof before?.end_ms === 'number') line('retry', before.end_ms, each.start_ms);
    });
  } else {
    const place = cut(frame, span.start_ms, end, LEAST);
    if (place) shape.bars.push({ ...place, status: span.status });
  }
  const begun = tries?.[0]?.start_ms ?? span.start_ms;
  line('queue', begun - span.queued_ms, begun);
  const call = tree.spans[tree.outer[at] as number];
  if (call && call.start_ms !== null) {
    line('call', call.start_ms, begun - span.queued_ms);
    if (span.end_ms !== null) line('call', span.end_ms, call.end_ms ?? frame.now);
  }
  const called = call && call.start_ms !== null && span.end_ms !== null ? (call.end_ms ?? frame.now) : end;
  shape.label = said ? labelAt(frame, begun, end, Math.max(called, end), said, group) : null;
  return shape;
}

/** Puts a label right of what is drawn, inside when there is no room, left of it when the bar is short, too. */
function labelAt(
  frame: Frame,
  from: number,
  to: number,
  beyond: number,
  text: string,
  group: boolean,
): Label | null {
  const left = pixel(frame, from);
  const right = Math.max(pixel(frame, to), left + LEAST);
  if (right < 0 || left > frame.width) return null;
  const wide = text.length * GLYPH;
  const behind = Math.max(right, pixel(frame, beyond)) + 6;
  if (behind + wide <= frame.width - 2) return { text, side: 'right', at: behind };
  const seen = Math.min(right, frame.width) - Math.max(left, 0);
  if (!group && seen >= wide + 14)
    return { text, side: 'inside', at: frame.width - Math.min(right, frame.width) + 7 };
  if (left - wide - 6 >= 0) return { text, side: 'left', at: frame.width - left + 6 };
  return group ? { text, side: 'edge', at: 6 } : null;
}
