/** What the feed shows of the activities: where a round begins, and how long after that each was. */
import { passes } from '$lib/folds/activities';
import type { ActivityFilter, ActivityStatus, WorkflowActivityEvent } from '$types/activity';

export const FILTERS: readonly ActivityFilter[] = ['all', 'tools', 'agents', 'reasoning', 'todos'];

export type FeedRow =
  | { kind: 'round'; key: string; number: number; timestamp: number }
  | { kind: 'activity'; key: string; activity: WorkflowActivityEvent; since: number; place: number };

/**
 * Returns the rows of a feed in the order given: before the first activity of each run a line that a round begins,
 * where there is more than one; `since` is how long after the beginning of its round an activity was, in milliseconds.
 */
export function feedRows(
  activities: readonly WorkflowActivityEvent[],
  filter: ActivityFilter,
  started: ReadonlyMap<string, number> = new Map(),
): FeedRow[] {
  const rows: FeedRow[] = [];
  const numbers = roundsOf(activities, started);
  let [round, shown, first, place] = ['', '', activities[0]?.timestamp ?? 0, 0];
  for (const activity of activities) {
    // what tells no run, as a to-do, belongs to the round in which it came
    round = activity.metadata.run_id || round;
    if (!passes(activity, filter)) continue;
    if (round !== shown) {
      shown = round;
      first = started.get(round) ?? activity.timestamp;
      const number = numbers.get(round);
      if (number !== undefined && numbers.size > 1)
        rows.push({ kind: 'round', key: `round ${round} ${rows.length}`, number, timestamp: first });
    }
    const since = Math.max(0, activity.timestamp - first);
    rows.push({ kind: 'activity', key: activity.id, activity, since, place: ++place });
  }
  return rows;
}

/** Returns the numbers of the rounds: those of the workflow where they are known, else in the order of what happened. */
function roundsOf(
  activities: readonly WorkflowActivityEvent[],
  started: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const numbers = new Map([...started.keys()].map((run, place) => [run, place + 1]));
  for (const { metadata } of activities)
    if (metadata.run_id && !numbers.has(metadata.run_id)) numbers.set(metadata.run_id, numbers.size + 1);
  return numbers;
}

const SHOWN: Record<ActivityStatus, string> = {
  pending: 'pending',
  running: 'running',
  completed: 'completed',
  error: 'error',
};

/** Returns the status that the glyph of an activity shows: what waits for a person is told as waiting. */
export function statusOf(activity: WorkflowActivityEvent): string {
  if (activity.type === 'validation' && activity.status !== 'completed' && activity.status !== 'error')
    return 'waiting';
  return activity.metadata.cancelled === true ? 'cancelled' : SHOWN[activity.status];
}
