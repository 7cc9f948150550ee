/** Who answers the next message of a workflow, where that is another agent than its own; forgotten with the page. */
import { writable } from 'svelte/store';

const chosen = writable<ReadonlyMap<string, string>>(new Map());

export const answererStore = {
  /** The chosen agents by the ids of their workflows. */
  subscribe: chosen.subscribe,

  /** Chooses who answers next in a workflow; null is its own agent. */
  choose(workflowId: string, agentId: string | null): void {
    chosen.update((now) => {
      const changed = new Map(now);
      if (agentId === null) changed.delete(workflowId);
      else changed.set(workflowId, agentId);
      return changed;
    });
  },
};
