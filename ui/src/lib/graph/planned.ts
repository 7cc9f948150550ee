/** The graph of what was planned: operations of each plan with why one waits for another, and how they went. */
import type { PlanItem } from '$types/plan';
import type { TimelineSpan } from '$types/trace';
import { ALIKE, alike, folded } from './executed';
import { joined, type Inside, type Link, type Unit } from './shape';

type Steps = ReadonlyMap<string, Pick<TimelineSpan, 'status' | 'start_ms' | 'end_ms' | 'kind' | 'attempts'>>;

/** Returns the graph of plans in the order in which they were made; a plan that an operation made lies in it. */
export function planned(plans: readonly PlanItem[], steps: Steps): Inside {
  const owner = new Map<PlanItem, string>();
  const paths = plans.flatMap((plan) =>
    plan.batches.flatMap((batch) => batch.operations.map(({ path }) => path)),
  );
  for (const plan of plans) {
    let best = '';
    for (const path of paths) if (plan.path.startsWith(`${path}/`) && path.length > best.length) best = path;
    owner.set(plan, best);
  }
  return under('', plans, owner, steps);
}

function under(
  path: string,
  plans: readonly PlanItem[],
  owner: ReadonlyMap<PlanItem, string>,
  steps: Steps,
): Inside {
  const mine = plans.filter((plan) => owner.get(plan) === path);
  const units = mine.map((plan) => unitOf(plan, plans, owner, steps));
  const links: Link[] = [];
  const last = new Map<string, string>();
  for (const [place, plan] of mine.entries()) {
    // an agent's plans come one after another; those of agents that work at once have nothing to do with each other
    const agent = plan.path.slice(0, plan.path.lastIndexOf('/'));
    const from = last.get(agent);
    const to = units[place]?.id ?? '';
    if (from) links.push({ from, to, label: '', reason: '', critical: false });
    last.set(agent, to);
  }
  return { units, links };
}

function unitOf(
  plan: PlanItem,
  plans: readonly PlanItem[],
  owner: ReadonlyMap<PlanItem, string>,
  steps: Steps,
): Unit {
  const critical = new Set(plan.critical_path);
  const ids = new Map<string, string>();
  const units = plan.batches.flatMap((batch) =>
    batch.operations.map((operation): Unit => {
      const id = `${plan.path}!${operation.id}`;
      ids.set(operation.id, id);
      const step = steps.get(operation.path);
      const inside = under(operation.path, plans, owner, steps);
      return {
        id,
        label: operation.id,
        kind: operation.type ?? step?.kind ?? '',
        status: step?.status ?? 'pending',
        critical: critical.has(operation.id),
        start: step?.start_ms ?? null,
        end: step?.end_ms ?? null,
        attempts: step?.attempts ?? 1,
        paths: [operation.path],
        inside: inside.units.length > 0 ? inside : null,
        folds: false,
      };
    }),
  );
  const links = plan.edges.map((edge): Link => ({
    from: ids.get(edge.origin) ?? '',
    to: ids.get(edge.target) ?? '',
    label: edge.refs.join(', '),
    reason: edge.reason,
    critical: critical.has(edge.origin) && critical.has(edge.target),
  }));
  const step = steps.get(plan.path);
  return {
    id: plan.path,
    label: plan.path,
    kind: 'plan',
    status: step?.status ?? joined(units.map((unit) => unit.status)),
    critical: false,
    start: step?.start_ms ?? plan.at * 1000,
    end: step?.end_ms ?? null,
    attempts: 1,
    paths: [plan.path],
    inside: compact(
      plan.path,
      units,
      links.filter(({ from, to }) => from && to),
    ),
    folds: false,
  };
}

/** Folds operations alike that wait for the same ones, and for which the same ones wait. */
function compact(path: string, units: readonly Unit[], links: readonly Link[]): Inside {
  const ties = new Map(units.map((unit) => [unit.id, [] as string[]]));
  for (const { from, to } of links) {
    ties.get(from)?.push(`>${to}`);
    ties.get(to)?.push(`<${from}`);
  }
  const groups = new Map<string, Unit[]>();
  for (const unit of units) {
    const key = [unit.kind, alike(unit.label), ...(ties.get(unit.id) ?? []).sort()].join('\n');
    groups.set(key, [...(groups.get(key) ?? []), unit]);
  }
  const shownAs = new Map<string, Unit>();
  for (const [key, members] of groups) {
    if (members.length <= ALIKE) continue;
    const fold = folded(path, key, members);
    for (const unit of members) shownAs.set(unit.id, fold);
  }
  const shown = new Set(units.map((unit) => shownAs.get(unit.id) ?? unit));
  const lines = new Map<string, Link>();
  for (const link of links) {
    const from = shownAs.get(link.from)?.id ?? link.from;
    const to = shownAs.get(link.to)?.id ?? link.to;
    lines.set(`${from}>${to}`, { ...link, from, to });
  }
  return { units: [...shown], links: [...lines.values()] };
}
