/** The commands on workflows. */
import { api, call } from '$lib/api';
import { live } from '$lib/live/live';
import type { WorkflowComplete } from '$types/streaming';
import type { RestorationResult, Workflow, WorkflowFullState, WorkflowResult } from '$types/workflow';

/** How many workflows are asked for at once. */
const PAGE = 200;

/** Says that an execution did not come to a result: it was cancelled, or why it failed. */
export class ExecutionEnded extends Error {
  constructor(
    readonly runId: string,
    readonly status: 'error' | 'cancelled',
    reason: string,
  ) {
    super(reason);
    this.name = 'ExecutionEnded';
  }
}

export const WorkflowService = {
  /** Loads all workflows, the one that changed last first. */
  async loadAll(): Promise<Workflow[]> {
    const found = new Map<string, Workflow>();
    for (let offset = 0, total = 1; offset < total; offset += PAGE) {
      const page = await call(api.GET('/api/workflows', { params: { query: { limit: PAGE, offset } } }));
      for (const workflow of page.items) found.set(workflow.id, workflow);
      if (!page.items.length) break;
      total = page.total;
    }
    return [...found.values()];
  },

  /** Creates a workflow, and returns its id. */
  async create(name: string, agentId: string): Promise<string> {
    return (await call(api.POST('/api/workflows', { body: { name, agent_id: agentId } }))).id;
  },

  /** Gives a workflow another name. */
  rename(workflowId: string, name: string): Promise<Workflow> {
    return call(api.PATCH('/api/workflows/{workflow_id}', { params: at(workflowId), body: { name } }));
  },

  /** Deletes a workflow with all that is its own; what runs of it is cancelled first. */
  async delete(workflowId: string): Promise<void> {
    await call(api.DELETE('/api/workflows/{workflow_id}', { params: at(workflowId) }));
  },

  /** Has a message executed, and returns the result when it has ended; throws `ExecutionEnded` when there is none. */
  async executeStreaming(
    workflowId: string,
    message: string,
    agentId: string,
    locale: string,
  ): Promise<WorkflowResult> {
    const body = { message, agent_id: agentId, locale };
    const asked = await call(
      api.POST('/api/workflows/{workflow_id}/execute/stream', { params: at(workflowId), body }),
    );
    const runId = asked.run_id;
    const ended = await over(workflowId, runId);
    if (ended && ended.status !== 'completed')
      throw new ExecutionEnded(runId, ended.status, ended.error ?? ended.status);
    const path = { workflow_id: workflowId, run_id: runId };
    return call(api.GET('/api/workflows/{workflow_id}/executions/{run_id}/result', { params: { path } }));
  },

  /** Cancels what runs of a workflow; it has ended when this returns. */
  async cancel(workflowId: string): Promise<void> {
    await call(api.POST('/api/workflows/{workflow_id}/cancel', { params: at(workflowId) }));
  },

  /** Loads everything that is known of a workflow. */
  getFullState(workflowId: string): Promise<WorkflowFullState> {
    return call(api.GET('/api/workflows/{workflow_id}/state', { params: at(workflowId) }));
  },

  /** Loads a workflow with what of it runs, waits or was interrupted. */
  async restoreState(workflowId: string): Promise<RestorationResult> {
    const [state, open] = await Promise.all([
      WorkflowService.getFullState(workflowId),
      call(
        api.GET('/api/workflows/{workflow_id}/executions', {
          params: { ...at(workflowId), query: { status: ['queued', 'running', 'interrupted'], limit: 200 } },
        }),
      ),
    ]);
    return {
      state,
      running: open.find((each) => each.status === 'running') ?? null,
      queued: open.filter((each) => each.status === 'queued'),
      interrupted: open.findLast((each) => each.status === 'interrupted') ?? null,
    };
  },
};

function at(workflowId: string): { path: { workflow_id: string } } {
  return { path: { workflow_id: workflowId } };
}

/** Waits until an execution is over, and returns how it ended; null where that was missed and is to be asked for. */
function over(workflowId: string, runId: string): Promise<WorkflowComplete | null> {
  return new Promise((settle, fail) => {
    const finish = (told: WorkflowComplete | null) => {
      for (const stop of stops) stop();
      settle(told);
    };
    const look = async () => {
      const found = await call(
        api.GET('/api/workflows/{workflow_id}/executions', {
          params: { ...at(workflowId), query: { status: ['queued', 'running'], limit: 200 } },
        }),
      );
      if (!found.some((each) => each.run_id === runId)) finish(null);
    };
    const stops = [
      live.on('workflow_complete', (told) => {
        if (told.run_id === runId) finish(told);
      }),
      live.on('workflow_update', (told) => {
        if (told.run_id === runId && told.status === 'withdrawn')
          finish({ ...told, run_id: runId, status: 'cancelled', error: null, seq: 0, ts: 0 });
      }),
      live.onReset(() => look().catch(fail)),
    ];
  });
}
