/** The order of runs in a list, and what has become of them since they were told last. */
import type { RunItem } from '$types/api';

const LIVING = new Set<RunItem['status']>(['running', 'queued']);

/** Puts runs that were loaded anew among those that are known; newest first, each once. */
export function merged(known: readonly RunItem[], fresh: readonly RunItem[]): RunItem[] {
  const all = new Map([...known, ...fresh].map((run) => [run.id, run]));
  return [...all.values()].sort(
    (one, other) => other.started_at - one.started_at || (one.id < other.id ? 1 : -1),
  );
}

/** Says whether a run may still change by itself. */
export function lives(run: Pick<RunItem, 'status'>): boolean {
  return LIVING.has(run.status);
}

/** Returns the runs that still ran in one telling and are over in the next. */
export function endedSince(before: readonly RunItem[], after: readonly RunItem[]): RunItem[] {
  const ran = new Set(before.filter(lives).map((run) => run.id));
  return after.filter((run) => ran.has(run.id) && !lives(run));
}
