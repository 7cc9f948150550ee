/** How workflows are listed: what runs first, what has just ended next, then all others, newest first. */
import { clock } from '$lib/live/clock';
import type { Workflow } from '$types/workflow';

export type SectionName = 'running' | 'fresh' | 'rest';
export type ListRow =
  { kind: 'heading'; section: SectionName; count: number } | { kind: 'workflow'; workflow: Workflow };

/** Above so many rows only those in view are drawn. */
export const WINDOWED = 200;

/**
 * Returns the rows of the list; headings only when there is more than one section.
 *
 * `fresh` are the ids of what ended while another one was looked at.
 */
export function rowsOf(workflows: readonly Workflow[], fresh: ReadonlySet<string>): ListRow[] {
  const found: Record<SectionName, Workflow[]> = { running: [], fresh: [], rest: [] };
  for (const workflow of workflows) {
    const section = workflow.status === 'running' ? 'running' : fresh.has(workflow.id) ? 'fresh' : 'rest';
    found[section].push(workflow);
  }
  const filled = (['running', 'fresh', 'rest'] as const).filter((name) => found[name].length > 0);
  return filled.flatMap((section) => [
    ...(filled.length > 1 ? [{ kind: 'heading' as const, section, count: found[section].length }] : []),
    ...found[section].map((workflow) => ({ kind: 'workflow' as const, workflow })),
  ]);
}

/** Returns the place of the workflow to which a key moves the focus, or null when it is no key that moves. */
export function moved(rows: readonly ListRow[], here: number, key: string): number | null {
  const places = rows.flatMap((row, place) => (row.kind === 'workflow' ? [place] : []));
  const now = places.indexOf(here);
  const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: places.length - 1 }[key];
  if (to === undefined || places.length === 0) return null;
  return places[Math.max(0, Math.min(to, places.length - 1))] ?? null;
}

/** Returns what is wrong with a name: it has 1 to 256 characters and no control characters. */
export function wrongName(name: string): 'required' | 'tooLong' | 'controls' | null {
  if (name.trim() === '') return 'required';
  if ([...name].length > 256) return 'tooLong';
  // eslint-disable-next-line no-control-regex -- these are what the server refuses
  return /[\u0000-\u001f\u007f-\u009f]/.test(name) ? 'controls' : null;
}

/** Returns the letters that stand for a workflow where there is no room for its name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u);
  const letters = words.slice(0, 2).map((word) => [...word][0] ?? '');
  return letters.join('').toLocaleUpperCase() || '?';
}

/** Returns how many decisions wait in each workflow. */
export function waitingBy(requests: readonly { workflow_id: string }[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { workflow_id } of requests) found.set(workflow_id, (found.get(workflow_id) ?? 0) + 1);
  return found;
}

/** How long something counts as just ended (milliseconds). */
const JUST = 10 * 60_000;

/**
 * Returns which workflows have ended while another was looked at, in the last ten minutes; `looked` is until when each
 * was looked at, and what ended before the page was opened counts as seen.
 */
export function endedElsewhere(
  standing: Iterable<{ workflowId: string; status: string; ended: number | null }>,
  looked: ReadonlyMap<string, number>,
  opened: number,
  shown: string | null,
  now = clock.now(),
): Set<string> {
  const found = new Set<string>();
  for (const { workflowId, status, ended } of standing) {
    const over = status === 'completed' || status === 'error' || status === 'cancelled';
    if (!over || ended === null || workflowId === shown || now - ended > JUST) continue;
    if (ended > Math.max(opened, looked.get(workflowId) ?? 0)) found.add(workflowId);
  }
  return found;
}

/** Returns the workflow with the finished survey that a new user may look at: the oldest that has completed. */
export function demonstrationOf(workflows: readonly Workflow[]): string | null {
  const over = workflows.filter((each) => each.status === 'completed' && each.agent_id === 'surveyor');
  const oldest = over.toSorted((one, other) => Date.parse(one.created_at) - Date.parse(other.created_at))[0];
  return oldest?.id ?? null;
}
