/** Steps made up for the tests of the timeline. */
import type { TimelineSpan } from '$types/trace';

/** Returns a step from when to when (milliseconds), at a path such as `a/b`; `more` says what else is known of it. */
export function span(
  path: string,
  start: number | null,
  end: number | null,
  more: Partial<TimelineSpan> = {},
): TimelineSpan {
  const cut = path.lastIndexOf('/');
  return {
    path,
    parent: cut < 0 ? '' : path.slice(0, cut),
    name: path.slice(cut + 1),
    kind: 'tool',
    status: start === null ? 'pending' : end === null ? 'running' : 'completed',
    start_ms: start,
    end_ms: end,
    queued_ms: 0,
    self_ms: null,
    slack_ms: null,
    critical: false,
    batch: null,
    attempts: 1,
    tries: [],
    agent: null,
    tokens: 0,
    cost: 0,
    error: null,
    source: 'run',
    ...more,
  };
}
