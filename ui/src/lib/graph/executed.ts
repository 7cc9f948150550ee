/** The graph of what ran: steps in the steps that started them, each after those that had ended when it began. */
import type { TimelineSpan } from '$types/trace';
import { joined, type Inside, type Link, type Unit } from './shape';

export type Step = Pick<
  TimelineSpan,
  'path' | 'parent' | 'name' | 'kind' | 'status' | 'start_ms' | 'end_ms' | 'critical' | 'attempts'
>;

/** How many steps alike stand side by side before they are shown as one. */
export const ALIKE = 4;

interface Stage {
  before: readonly Unit[];
  units: Unit[];
}

/** Returns the graph of steps that come in the order of the tree. */
export function executed(steps: readonly Step[]): Inside {
  const below = new Map<string, Step[]>();
  const known = new Set(steps.map((step) => step.path));
  for (const step of steps) {
    const parent = known.has(step.parent) ? step.parent : '';
    const siblings = below.get(parent);
    if (siblings) siblings.push(step);
    else below.set(parent, [step]);
  }
  return level('', below);
}

function level(path: string, below: ReadonlyMap<string, Step[]>): Inside {
  const units = (below.get(path) ?? []).map((step) => unitOf(step, below));
  return joinedUp(path, stages(units));
}

function unitOf(step: Step, below: ReadonlyMap<string, Step[]>): Unit {
  const children = below.get(step.path) ?? [];
  const inside = children.length > 0 ? level(step.path, below) : null;
  const only = inside?.units.length === 1 ? inside.units[0] : undefined;
  // a call and what it calls are one thing to whoever looks, and so is a batch of one call
  if (only && !only.folds && step.kind === 'call')
    return { ...only, label: step.name, paths: [...only.paths, step.path] };
  if (only && !only.folds && step.kind === 'tools') return { ...only, paths: [...only.paths, step.path] };
  return {
    id: step.path,
    label: step.name,
    kind: step.kind,
    status: step.status,
    critical: step.critical || (inside?.units.some((unit) => unit.critical) ?? false),
    start: step.start_ms,
    end: step.end_ms,
    attempts: step.attempts,
    paths: [step.path],
    inside,
    folds: false,
  };
}

/** Returns units grouped by those after which they came: the last ones that had ended when each began. */
function stages(units: readonly Unit[]): Stage[] {
  const sorted = units
    .map((unit, place) => ({ unit, place, start: unit.start ?? Infinity, end: unit.end ?? Infinity }))
    .sort((a, b) => (a.start === b.start ? a.end - b.end || a.place - b.place : a.start - b.start));
  let open: typeof sorted = [];
  let soonest = Infinity;
  const found: Stage[] = [];
  let front: typeof sorted = [];
  let stage: Stage | null = null;
  for (const each of sorted) {
    if (soonest <= each.start && soonest < Infinity) {
      const all = [...front, ...open.filter((one) => one.end <= each.start && one.end < Infinity)];
      const last = all.reduce((a, b) => (b.start >= a.start ? b : a));
      front = all.filter((one) => one === last || one.end > last.start);
      open = open.filter((one) => !(one.end <= each.start && one.end < Infinity));
      soonest = open.reduce((least, one) => Math.min(least, one.end), Infinity);
      stage = null;
    }
    if (!stage) {
      stage = { before: front.map((one) => one.unit), units: [] };
      found.push(stage);
    }
    stage.units.push(each.unit);
    open.push(each);
    soonest = Math.min(soonest, each.end);
  }
  return found;
}

/** Returns the name without what tells it from others alike: `read_file#3` is a `read_file`, `part[17]` a `part[…]`. */
export function alike(name: string): string {
  return name.replace(/#\d+$/, '').replace(/\[[^\]]*\]$/, '[…]');
}

/** Returns a level of the graph: units alike are folded, stages are linked. */
function joinedUp(path: string, found: readonly Stage[]): Inside {
  const shownAs = new Map<Unit, Unit>();
  const units: Unit[] = [];
  for (const fold of folds(path, found)) for (const unit of fold.members) shownAs.set(unit, fold.unit);
  const links = new Map<string, Link>();
  const seen = new Set<Unit>();
  for (const stage of found) {
    for (const unit of stage.units) {
      const shown = shownAs.get(unit) ?? unit;
      const first = !seen.has(shown);
      seen.add(shown);
      if (first) units.push(shown);
      else continue; // of a fold, what its first step came after counts
      for (const one of stage.before) {
        const from = shownAs.get(one) ?? one;
        const isOver = from.end !== null && from.end <= (shown.start ?? Infinity);
        if (from === shown || (from.folds && !isOver)) continue;
        const critical = from.critical && shown.critical;
        links.set(`${from.id}>${shown.id}`, { from: from.id, to: shown.id, label: '', reason: '', critical });
      }
    }
  }
  return { units, links: [...links.values()] };
}

interface Fold {
  unit: Unit;
  members: Unit[];
}

function folds(path: string, found: readonly Stage[]): Fold[] {
  const groups = new Map<string, Unit[]>();
  found.forEach((stage, number) => {
    for (const unit of stage.units) {
      const name = alike(unit.label);
      // items of one list are one thing whenever they began; other repeats only where they ran side by side
      const key = `${unit.kind}\n${name}\n${name.endsWith('[…]') ? '' : number}`;
      const group = groups.get(key);
      if (group) group.push(unit);
      else groups.set(key, [unit]);
    }
  });
  return [...groups]
    .filter(([, members]) => members.length > ALIKE)
    .map(([key, members]) => ({ unit: folded(path, key, members), members }));
}

/** Returns the unit that stands for several alike. */
export function folded(path: string, key: string, members: readonly Unit[]): Unit {
  const ends = members.map((unit) => unit.end);
  const starts = members.map((unit) => unit.start).filter((start) => start !== null);
  return {
    id: `${path}//${key.replaceAll('\n', ' ')}`,
    label: alike(members[0]?.label ?? ''),
    kind: members[0]?.kind ?? '',
    status: joined(members.map((unit) => unit.status)),
    critical: members.some((unit) => unit.critical),
    start: starts.length > 0 ? starts.reduce((a, b) => Math.min(a, b)) : null,
    end: ends.every((end) => end !== null) ? ends.reduce((a, b) => Math.max(a, b)) : null,
    attempts: 1,
    paths: [],
    inside: { units: members, links: [] },
    folds: true,
  };
}
