/** How workflows and agents are called where only their ids are told. */
import { fromStore } from 'svelte/store';
import { agentsStore } from '$lib/stores/agents';
import { workflowStore } from '$lib/stores/workflows';

const workflows = fromStore(workflowStore);
const agents = fromStore(agentsStore);

/** Returns a workflow's name; null where there is no such workflow, as for runs of the library. */
export function workflowName(id: string): string | null {
  return workflows.current.known.get(id)?.name ?? null;
}

/** Returns an agent's name, or its id. */
export function agentName(id: string): string {
  return agents.current.agents.find((each) => each.id === id)?.name ?? id;
}
