/** Figures of a run that the page works out: sums of a stretch of time, and what took most of it. */
import type { TimelineSpan, TraceSummary } from '$types/trace';
import { lasted } from './filter';
import type { Tree } from './tree';

export interface Sums {
  from: number;
  to: number;
  /** How many operations ran in it, at least for a moment. */
  operations: number;
  failures: number;
  /** The time that operations worked in it, all together (milliseconds). */
  work: number;
  /** How many ran at once on average. */
  parallel: number;
  tokens: number;
  /** US dollars; null when a price is unknown. */
  cost: number | null;
}

/** Returns the sums over a stretch; tokens and costs of an operation count in it by the share of its time. */
export function sumsOf(tree: Tree, from: number, to: number, now: number): Sums {
  const sums: Sums = { from, to, operations: 0, failures: 0, work: 0, parallel: 0, tokens: 0, cost: 0 };
  tree.spans.forEach((span, at) => {
    if ((tree.last[at] as number) > at + 1 || span.start_ms === null) return;
    const end = span.end_ms ?? now;
    const inside = Math.min(end, to) - Math.max(span.start_ms, from);
    if (inside < 0 || (inside === 0 && end > span.start_ms)) return;
    const share = end > span.start_ms ? inside / (end - span.start_ms) : 1;
    sums.operations++;
    sums.work += inside;
    sums.tokens += span.tokens * share;
    sums.cost =
      sums.cost === null || (span.cost === null && span.tokens > 0)
        ? null
        : sums.cost + (span.cost ?? 0) * share;
    if (span.status === 'failed' || span.status === 'timed_out' || span.status === 'abandoned')
      sums.failures++;
  });
  sums.tokens = Math.round(sums.tokens);
  sums.parallel = to > from ? sums.work / (to - from) : 0;
  return sums;
}

export interface Heavy {
  at: number;
  path: string;
  agent: string | null;
  /** How long it worked while nothing below it did (milliseconds). */
  self: number;
  /** Of the whole run's time. */
  share: number;
}

/** Returns the steps that worked longest by themselves, the longest first; of a live run as far as it is known. */
export function heaviest(tree: Tree, summary: TraceSummary, now: number, most: number): Heavy[] {
  const found: Heavy[] = [];
  let least = 0;
  tree.spans.forEach((span, at) => {
    const leaf = (tree.last[at] as number) === at + 1;
    const self = span.self_ms ?? (leaf ? lasted(span, now) : 0);
    if (self <= least || (found.length >= most && self <= (found.at(-1)?.self ?? 0))) return;
    found.push({ at, path: span.path, agent: span.agent, self, share: share(self, summary, now) });
    found.sort((one, other) => other.self - one.self);
    if (found.length > most) found.pop();
    if (found.length === most) least = found.at(-1)?.self ?? 0;
  });
  return found;
}

/** Returns the share of the run's time that something took. */
export function share(time: number, summary: TraceSummary, now: number): number {
  const all = summary.wall_ms || now;
  return all > 0 ? Math.min(time / all, 1) : 0;
}

/** The ways in which bars can be coloured. */
export const COLOURINGS = ['status', 'kind', 'agent', 'cost', 'tokens', 'self'] as const;
export type Colouring = (typeof COLOURINGS)[number];

const HUES = ['--accent', '--running', '--cancelled', '--completed', '--waiting', '--critical', '--error'];
const KINDS: Readonly<Record<string, string>> = {
  agent: '--accent',
  model: '--cancelled',
  tool: '--running',
  call: '--running',
  tools: '--pending',
  workflow: '--completed',
  function: '--completed',
  step: '--completed',
  plan: '--critical',
  branch: '--waiting',
};

function hue(name: string): string {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 9973;
  return HUES[sum % HUES.length] ?? '--accent';
}

/** Returns the colour that a kind of step has when bars are coloured by it. */
export function kindColour(kind: string): string {
  return `var(${KINDS[kind] ?? hue(kind)})`;
}

/** Returns the colour that the steps of an agent have when bars are coloured by it. */
export function agentColour(agent: string | null): string {
  return agent ? `var(${hue(agent)})` : 'var(--pending)';
}

/** Returns a colour that is the stronger the larger a figure is in comparison with the largest. */
export function strength(figure: number, largest: number): string {
  const part = largest > 0 ? Math.sqrt(Math.min(figure / largest, 1)) : 0;
  return figure > 0
    ? `color-mix(in srgb, var(--critical) ${Math.round(25 + 75 * part)}%, var(--pending))`
    : 'var(--pending)';
}

/** Returns the figure of a step by which it is coloured. */
export function figureOf(span: TimelineSpan, by: 'cost' | 'tokens' | 'self', now: number): number {
  if (by === 'cost') return span.cost ?? 0;
  return by === 'tokens' ? span.tokens : (span.self_ms ?? lasted(span, now));
}
