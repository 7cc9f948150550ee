/** The axis of time: milliseconds on a line on which stretches where nothing ran can be drawn together. */
import type { TimelineSpan } from '$types/trace';
import { duration, number } from '$lib/format';
import type { Tree } from './tree';

export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** A stretch counts as idle when it takes at least this share of the time in which something ran. */
const IDLE_SHARE = 0.1;
/** How much of the time in which something ran an idle stretch is drawn as. */
const DRAWN_SHARE = 0.03;

/** Maps milliseconds of the run to places on the axis (`place`), and back (`time`); without gaps both are the same. */
export class Axis {
  readonly #drawn: number;

  constructor(
    /** How long the run took (milliseconds). */
    readonly extent: number,
    readonly gaps: readonly Stretch[] = [],
  ) {
    const idle = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
    this.#drawn = Math.max((extent - idle) * DRAWN_SHARE, 0);
  }

  /** The length of the whole axis. */
  get length(): number {
    return this.place(this.extent);
  }

  place(time: number): number {
    let saved = 0;
    for (const gap of this.gaps) {
      if (time <= gap.from) break;
      const long = gap.to - gap.from;
      if (time < gap.to) return gap.from - saved + ((time - gap.from) / long) * this.#drawn;
      saved += long - this.#drawn;
    }
    return time - saved;
  }

  time(place: number): number {
    let saved = 0;
    for (const gap of this.gaps) {
      const from = gap.from - saved;
      if (place <= from) break;
      const long = gap.to - gap.from;
      if (place < from + this.#drawn) return gap.from + ((place - from) / this.#drawn) * long;
      saved += long - this.#drawn;
    }
    return place + saved;
  }
}

/** Returns the stretches in which no operation ran, each at least a tenth of the time in which one did. */
export function idleGaps(tree: Tree, extent: number): Stretch[] {
  const busy: Stretch[] = [];
  tree.spans.forEach((span, at) => {
    if ((tree.last[at] as number) === at + 1) busy.push(...workOf(span, extent));
  });
  busy.sort((one, other) => one.from - other.from);
  const gaps: Stretch[] = [];
  let end = 0;
  for (const { from, to } of busy) {
    if (from > end) gaps.push({ from: end, to: from });
    end = Math.max(end, to);
  }
  if (extent > end) gaps.push({ from: end, to: extent });
  const active = extent - gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  return active > 0 ? gaps.filter((gap) => gap.to - gap.from >= active * IDLE_SHARE) : [];
}

function workOf(span: TimelineSpan, now: number): Stretch[] {
  if (span.start_ms === null) return [];
  const tries = span.tries.length ? span.tries : [{ start_ms: span.start_ms, end_ms: span.end_ms }];
  return tries.map((each) => ({ from: each.start_ms, to: each.end_ms ?? now }));
}

const STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000,
  10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000,
  10_800_000, 21_600_000, 43_200_000,
];
const DAY = 86_400_000;

/** Returns a round step of time so that lines are at least `apart` of the axis from each other. */
export function tickStep(apart: number): number {
  const found = STEPS.find((step) => step >= apart);
  return found ?? DAY * 2 ** Math.max(0, Math.ceil(Math.log2(apart / DAY)));
}

/** Returns the round times between two places of an axis, at most `most` of them; none in a gap. */
export function ticks(axis: Axis, from: number, to: number, most: number): { step: number; times: number[] } {
  const step = tickStep((to - from) / Math.max(most, 1));
  const times: number[] = [];
  const end = Math.min(axis.time(to), axis.extent * 1.5 + step);
  let place = -Infinity;
  for (let time = Math.max(0, Math.ceil(axis.time(from) / step - 1e-9)) * step; time <= end; time += step) {
    const gap = axis.gaps.find((each) => time > each.from && time < each.to);
    if (gap) {
      time = Math.floor(gap.to / step) * step;
      continue;
    }
    const here = axis.place(time);
    if (here - place < step * 0.7) continue;
    place = here;
    times.push(time);
  }
  return { step, times };
}

/** Tells the time of a line on an axis whose lines are a step apart: `250 ms`, `1.5 s`, `2 m 05 s`. */
export function tickText(time: number, step: number, until: number): string {
  const shown = Math.max(0, time);
  if (until < 1000) return `${number(shown, step < 1 ? 3 : 0)} ms`;
  if (step >= 1000 && time >= 60_000) return duration(shown);
  const digits = step >= 1000 ? 0 : Math.ceil(-Math.log10(step / 1000) - 1e-9);
  return `${number(shown / 1000, digits)} s`;
}
