/** The part of the axis that is shown: zoomed, moved and kept in bounds; places are those of the axis. */

export interface View {
  readonly from: number;
  readonly to: number;
}

/** The shortest part that can be shown (milliseconds). */
const SHORTEST = 0.02;
/** How much room stays behind the end, as a share of the whole, so that labels have a place. */
export const ROOM = 0.09;

/** Returns the view of everything. */
export function whole(length: number): View {
  return { from: 0, to: Math.max(length, SHORTEST) * (1 + ROOM) };
}

/** Keeps a view in bounds: not beyond both ends, nor shorter than can be shown. */
export function bounded(view: View, length: number): View {
  const all = whole(length);
  const long = Math.min(Math.max(view.to - view.from, SHORTEST), all.to);
  const from = Math.min(Math.max(view.from, 0), all.to - long);
  return { from, to: from + long };
}

/** Zooms by a factor (below 1 shows less) around a share of the view, from 0 to 1. */
export function zoomed(view: View, factor: number, around: number, length: number): View {
  const long = view.to - view.from;
  const fixed = view.from + long * around;
  const wanted = Math.min(Math.max(long * factor, SHORTEST), whole(length).to);
  return bounded({ from: fixed - wanted * around, to: fixed + wanted * (1 - around) }, length);
}

/** Moves by a share of the view. */
export function moved(view: View, share: number, length: number): View {
  const by = (view.to - view.from) * share;
  return bounded({ from: view.from + by, to: view.to + by }, length);
}

/** Returns a view in which a stretch fills most of the room. */
export function around(from: number, to: number, length: number): View {
  const room = Math.max((to - from) * 0.12, SHORTEST);
  return bounded({ from: from - room, to: to + room }, length);
}

/** Says whether a view shows everything. */
export function isWhole(view: View, length: number): boolean {
  const all = whole(length);
  return view.to - view.from >= (all.to - all.from) * 0.999;
}

/** Writes a stretch of time for the address: `120-1840.5`. */
export function written(from: number, to: number): string {
  const digits = to - from < 10 ? 3 : to - from < 1000 ? 1 : 0;
  return `${Number(Math.max(0, from).toFixed(digits))}-${Number(to.toFixed(digits))}`;
}

/** Reads a stretch of time from the address; what is none gives null. */
export function readStretch(text: string | undefined): View | null {
  const parts = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text ?? '');
  if (!parts) return null;
  const from = Number(parts[1]);
  const to = Number(parts[2]);
  return to > from ? { from, to } : null;
}
