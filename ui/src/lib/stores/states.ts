/** What is known of workflows as the server's tables tell it: asked for once, however many want it. */
import { api, call } from '$lib/api';
import { live } from '$lib/live/live';
import type { WorkflowFullState } from '$types/workflow';

/** How many rows of each kind a view opens with; the rest follows when there is more. */
export const FIRST_ROWS = 200;

const asked = new Map<string, Promise<WorkflowFullState>>();

// what was asked for before a change does not tell it: whoever loads after it asks anew
live.on('workflow_complete', (told) => outdate(told.workflow_id));
live.on('workflow_update', (told) => outdate(told.workflow_id));
live.onReset(() => asked.clear());

function outdate(workflowId: string): void {
  for (const key of asked.keys()) if (key.startsWith(`${workflowId} `)) asked.delete(key);
}

/** Loads the last `limit` rows of each kind, all without it. */
export function loadState(workflowId: string, limit?: number): Promise<WorkflowFullState> {
  const key = `${workflowId} ${limit ?? 'all'}`;
  const known = asked.get(key);
  if (known) return known;
  const params = { path: { workflow_id: workflowId }, query: { limit } };
  const found = live.ready
    .then(() => call(api.GET('/api/workflows/{workflow_id}/state', { params })))
    .finally(() => {
      if (asked.get(key) === found) asked.delete(key);
    });
  asked.set(key, found);
  return found;
}

/**
 * Loads the last rows of each kind, hands them on, and when rows of the kinds that are named lack, all of them.
 *
 * Stops as soon as `take` says that nobody wants them any more.
 */
export async function loadStates(
  workflowId: string,
  names: readonly (keyof WorkflowFullState)[],
  take: (state: WorkflowFullState) => boolean,
): Promise<void> {
  const state = await loadState(workflowId, FIRST_ROWS);
  if (take(state) && isPart(state, names)) take(await loadState(workflowId));
}

/** Returns the rows that are known with those of a later state, which take the place of earlier ones of their ids. */
export function together<T extends { id: string }>(known: readonly T[], rows: readonly T[]): T[] {
  const ids = new Set(rows.map((each) => each.id));
  return [...known.filter((each) => !ids.has(each.id)), ...rows];
}

/** Says whether a state lacks rows of the kinds that are named. */
export function isPart(state: WorkflowFullState, names: readonly (keyof WorkflowFullState)[]): boolean {
  return names.some((name) => {
    const rows = state[name];
    return Array.isArray(rows) && (state.totals?.[name] ?? 0) > rows.length;
  });
}
