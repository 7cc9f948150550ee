/** What happened in the workflow that is looked at, and what happens there now; words never wake it. */
import { derived, get, writable, type Readable } from 'svelte/store';
import {
  counts,
  merged,
  ofAgent,
  ofReasoning,
  ofState,
  ofTask,
  ofTool,
  passes,
  sorted,
} from '$lib/folds/activities';
import type { ActivityFilter, WorkflowActivityEvent } from '$types/activity';
import type { WorkflowFullState } from '$types/workflow';
import { loadStates } from './states';
import { activeSubAgents, activeTasks, activeTools, reasoningSteps } from './streaming';

type Activities = readonly WorkflowActivityEvent[];

const ROWS = [
  'messages',
  'tool_executions',
  'thinking_steps',
  'sub_agent_executions',
  'validations',
] as const;

const history = writable<Activities>([]);
const filter = writable<ActivityFilter>('all');
const loading = writable(false);

/** What the stream tells now; an event whose part has not changed is the same object as before. */
const live: Readable<Activities> = derived(
  [
    mapped(activeTools, ofTool),
    mapped(reasoningSteps, ofReasoning),
    mapped(activeSubAgents, ofAgent),
    mapped(activeTasks, ofTask),
  ],
  (parts) => sorted(parts.flat()),
);

/** Turns each item into an event, once: as long as an item stays the same, its event does. */
function mapped<T extends object>(
  items: Readable<readonly T[]>,
  how: (item: T) => WorkflowActivityEvent,
): Readable<WorkflowActivityEvent[]> {
  const known = new WeakMap<T, WorkflowActivityEvent>();
  return derived(items, (all) =>
    all.map((item) => {
      const made = known.get(item) ?? how(item);
      known.set(item, made);
      return made;
    }),
  );
}

class ActivityStore {
  #workflowId: string | null = null;
  #asked = 0;
  readonly #state = derived([history, filter, loading], ([historical, chosen, loads]) => ({
    historical,
    filter: chosen,
    loading: loads,
  }));
  subscribe = this.#state.subscribe;

  /** Loads what happened: the last things at once, and when there is more, everything after that. */
  async loadHistorical(workflowId: string): Promise<void> {
    const asked = ++this.#asked;
    if (this.#workflowId !== workflowId) history.set([]);
    this.#workflowId = workflowId;
    loading.set(true);
    try {
      await loadStates(workflowId, ROWS, (state) => {
        if (asked !== this.#asked) return false;
        history.set(ofState(state));
        return true;
      });
    } finally {
      if (asked === this.#asked) loading.set(false);
    }
  }

  /** Puts the events of the last rows in the place of what was known of them; of tasks there are all. */
  ended(state: WorkflowFullState): void {
    if (state.workflow.id !== this.#workflowId) return;
    const tasks = new Set(state.tasks.map((each) => `task:${each.id}`));
    const known = get(history).filter((each) => !each.id.startsWith('task:') || tasks.has(each.id));
    history.set(merged(known, ofState(state)));
    // what is on its way was asked for before the end
    if (get(loading)) void this.loadHistorical(state.workflow.id).catch(() => {}); // what is shown stays
  }

  setFilter(chosen: ActivityFilter): void {
    filter.set(chosen);
  }

  /** Keeps what the stream told, before it tells of another execution. */
  captureStreamingActivities(): void {
    history.set(merged(get(history), get(live)));
  }

  reset(): void {
    this.#asked++;
    this.#workflowId = null;
    history.set([]);
    filter.set('all');
    loading.set(false);
  }
}

export const activityStore = new ActivityStore();
export const historicalActivities: Readable<Activities> = { subscribe: history.subscribe };
export const activityFilter: Readable<ActivityFilter> = { subscribe: filter.subscribe };
export const activitiesLoading: Readable<boolean> = { subscribe: loading.subscribe };
/** Oldest first. */
export const allActivities: Readable<Activities> = derived([history, live], ([before, now]) =>
  merged(before, now),
);
/** How many events each filter lets pass. */
export const activityCounts = derived(allActivities, counts);
export const filteredActivities: Readable<Activities> = derived([allActivities, filter], ([all, chosen]) =>
  chosen === 'all' ? all : all.filter((each) => passes(each, chosen)),
);
