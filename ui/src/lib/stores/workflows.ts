/** The workflows, which of them is looked at, and what is searched for among them. */
import { derived, get, writable } from 'svelte/store';
import { api, call, ApiError } from '$lib/api';
import { live, type WorkflowUpdate } from '$lib/live/live';
import { router } from '$lib/router.svelte';
import { WorkflowService } from '$lib/services/workflow.service';
import type { Workflow } from '$types/workflow';
import { keep, kept } from './look.svelte';

/** How long changes of one workflow are gathered before it is loaded anew (milliseconds). */
const GATHER = 60;
const LAST = 'stretto.last';

export interface WorkflowsState {
  /** By their ids. */
  known: ReadonlyMap<string, Workflow>;
  /** Last changed first. */
  workflows: readonly Workflow[];
  selectedId: string | null;
  loading: boolean;
  error: string | null;
  /** What was thrown, which knows why; `error` is its sentence. */
  refusal: unknown;
  searchFilter: string;
}

const NOTHING: WorkflowsState = {
  known: new Map(),
  workflows: [],
  selectedId: null,
  loading: false,
  error: null,
  refusal: null,
  searchFilter: '',
};
const state = writable<WorkflowsState>(NOTHING);

function ordered(known: ReadonlyMap<string, Workflow>): Pick<WorkflowsState, 'known' | 'workflows'> {
  const changed = (workflow: Workflow) => Date.parse(workflow.updated_at);
  return { known, workflows: [...known.values()].sort((one, other) => changed(other) - changed(one)) };
}

class Workflows {
  #asked = 0;
  #started = false;
  /** What changed while the list was being loaded: a workflow, or null for one that is gone. */
  #meanwhile: Map<string, Workflow | null> | null = null;
  #stale = new Map<string, ReturnType<typeof setTimeout>>();
  /** Those that are gone: an answer that was on its way then does not bring them back. */
  #deleted = new Set<string>();
  subscribe = state.subscribe;

  /** Begins to listen, once: what another tab or program does with workflows is shown here, too. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    live.on('workflow_update', (told) => this.#update(told));
    live.on('workflow_complete', (told) => this.#refresh(told.workflow_id));
    live.onReset(() => void this.loadWorkflows());
  }

  /** Loads them all; what went wrong is in `workflowsError`. */
  async loadWorkflows(): Promise<void> {
    const asked = ++this.#asked;
    this.#meanwhile = new Map();
    state.update((now) => ({ ...now, loading: true, error: null, refusal: null }));
    try {
      await live.ready;
      const found = new Map((await WorkflowService.loadAll()).map((each) => [each.id, each]));
      if (asked !== this.#asked) return;
      for (const id of this.#deleted) found.delete(id);
      for (const [id, workflow] of this.#meanwhile ?? [])
        if (workflow) found.set(id, workflow);
        else found.delete(id);
      state.update((now) => ({ ...now, ...ordered(found), loading: false }));
    } catch (error) {
      if (asked === this.#asked)
        state.update((now) => ({ ...now, loading: false, error: reason(error), refusal: error }));
    } finally {
      if (asked === this.#asked) this.#meanwhile = null;
    }
  }

  /** Looks at a workflow, whose address is shown then, or at none. */
  select(workflowId: string | null): void {
    if (get(state).selectedId !== workflowId) state.update((now) => ({ ...now, selectedId: workflowId }));
    if (workflowId === null) return;
    keep(LAST, { workflow: workflowId });
    const shown = router.name === 'workflow' ? router.params.id : null;
    if (shown !== workflowId && (router.name === 'workflow' || router.name === 'workflows'))
      router.go(`workflows/${workflowId}`, {}, shown === null);
  }

  setSearchFilter(filter: string): void {
    state.update((now) => ({ ...now, searchFilter: filter }));
  }

  getSelected(): Workflow | undefined {
    const { known, selectedId } = get(state);
    return selectedId === null ? undefined : known.get(selectedId);
  }

  /** Returns which workflow was looked at last in this browser. */
  last(): string | null {
    const { workflow } = kept<{ workflow: string }>(LAST);
    return typeof workflow === 'string' ? workflow : null;
  }

  reset(): void {
    this.#asked++;
    this.#deleted.clear();
    state.set(NOTHING);
  }

  /** Creates a workflow, and returns its id when it is in the list. */
  async create(name: string, agentId: string): Promise<string> {
    const id = await WorkflowService.create(name, agentId);
    await this.#load(id);
    return id;
  }

  /** Gives it another name: this is shown at once, and taken back where the server refuses it. */
  async rename(workflowId: string, name: string): Promise<Workflow> {
    const before = get(state).known.get(workflowId);
    if (before) this.upsert({ ...before, name });
    try {
      const renamed = await WorkflowService.rename(workflowId, name);
      this.upsert(renamed);
      return renamed;
    } catch (error) {
      if (before) this.upsert(before);
      throw error;
    }
  }

  /** Deletes a workflow with all that is its own. */
  async remove(workflowId: string): Promise<void> {
    await WorkflowService.delete(workflowId);
    this.#gone(workflowId);
  }

  /** Puts a workflow into the list, or in the place of what was known of it. */
  upsert(workflow: Workflow): void {
    if (this.#deleted.has(workflow.id)) return;
    this.#meanwhile?.set(workflow.id, workflow);
    state.update((now) => ({ ...now, ...ordered(new Map(now.known).set(workflow.id, workflow)) }));
  }

  #update(told: WorkflowUpdate): void {
    const { workflow_id: id, status } = told;
    if (status === 'deleted') {
      this.#gone(id);
      return;
    }
    if (status === 'created') this.#deleted.delete(id);
    const known = get(state).known.get(id);
    if (known && status === 'running' && known.status !== 'running')
      this.upsert({ ...known, status: 'running' });
    if (!told.task_id) this.#refresh(id);
  }

  #refresh(id: string): void {
    if (this.#stale.has(id)) return;
    this.#stale.set(
      id,
      setTimeout(() => {
        this.#stale.delete(id);
        void this.#load(id).catch(() => {}); // it is told again when it changes again
      }, GATHER),
    );
  }

  async #load(id: string): Promise<void> {
    try {
      this.upsert(
        await call(api.GET('/api/workflows/{workflow_id}', { params: { path: { workflow_id: id } } })),
      );
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.#gone(id);
      else throw error;
    }
  }

  #gone(id: string): void {
    this.#deleted.add(id);
    clearTimeout(this.#stale.get(id));
    this.#stale.delete(id);
    this.#meanwhile?.set(id, null);
    const now = get(state);
    if (!now.known.has(id)) return;
    const known = new Map(now.known);
    known.delete(id);
    state.set({ ...now, ...ordered(known), selectedId: now.selectedId === id ? null : now.selectedId });
    if (router.name === 'workflow' && router.params.id === id) router.go('workflows', {}, true);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const workflowStore = new Workflows();
export const workflows = derived(state, (now) => now.workflows);
export const selectedWorkflowId = derived(state, (now) => now.selectedId);
export const workflowsLoading = derived(state, (now) => now.loading);
export const workflowsError = derived(state, (now) => now.error);
export const workflowsRefusal = derived(state, (now) => now.refusal);
export const workflowSearchFilter = derived(state, (now) => now.searchFilter);
export const selectedWorkflow = derived(state, (now) =>
  now.selectedId === null ? undefined : now.known.get(now.selectedId),
);
export const filteredWorkflows = derived(state, (now) => {
  const wanted = now.searchFilter.trim().toLocaleLowerCase();
  if (!wanted) return now.workflows;
  return now.workflows.filter((each) => each.name.toLocaleLowerCase().includes(wanted));
});
