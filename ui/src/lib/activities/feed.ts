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
  const rounds = new Map<string, number>();
  let [last, first, place] = ['', 0, 0];
  const several = severalRounds(activities);
  for (const activity of activities) {
    const round = activity.metadata.run_id ?? '';
    if (round !== last || place === 0) {
      if (!rounds.has(round)) rounds.set(round, rounds.size + 1);
    }
    if (!passes(activity, filter)) continue;
    if (round !== last || place === 0) {
      first = started.get(round) ?? activity.timestamp;
      if (several) {
        const number = rounds.get(round) ?? 1;
        rows.push({ kind: 'round', key: `round ${round} ${rows.length}`, number, timestamp: first });
      }
      last = round;
    }
    place++;
    const since = Math.max(0, activity.timestamp - first);
    rows.push({ kind: 'activity', key: activity.id, activity, since, place });
  }
  return rows;
}

function severalRounds(activities: readonly WorkflowActivityEvent[]): boolean {
  const first = activities[0]?.metadata.run_id;
  const last = activities.at(-1)?.metadata.run_id;
  return first !== last || activities.some((each) => each.metadata.run_id !== first);
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
