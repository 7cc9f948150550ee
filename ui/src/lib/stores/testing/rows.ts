/** Rows as a server tells them, with what a test does not care about. */
import type { StreamChunk } from '$types/streaming';
import type { Execution, Workflow, WorkflowFullState } from '$types/workflow';

const AT = '2026-11-22T10:00:00+00:00';

export function aWorkflow(id: string, more: Partial<Workflow> = {}): Workflow {
  return {
    id,
    name: `workflow ${id}`,
    agent_id: 'helper',
    status: 'idle',
    created_at: AT,
    updated_at: AT,
    completed_at: null,
    total_tokens_input: 0,
    total_tokens_output: 0,
    total_cost_usd: 0,
    model_id: null,
    current_context_tokens: 0,
    ...more,
  };
}

export function anExecution(runId: string, more: Partial<Execution> = {}): Execution {
  return {
    run_id: runId,
    workflow_id: 'w',
    message: `message of ${runId}`,
    agent_id: 'helper',
    locale: 'en',
    ordinal: 1,
    status: 'queued',
    created_at: 1_790_000_000,
    started_at: null,
    ended_at: null,
    error: null,
    rerun: null,
    tokens_input: 0,
    tokens_output: 0,
    cost_usd: null,
    model_id: null,
    ...more,
  };
}

export function aState(id: string, more: Partial<WorkflowFullState> = {}): WorkflowFullState {
  return {
    workflow: aWorkflow(id),
    messages: [],
    tool_executions: [],
    thinking_steps: [],
    sub_agent_executions: [],
    validations: [],
    questions: [],
    tasks: [],
    executions: [],
    spans: [],
    plan: null,
    totals: {},
    ...more,
  };
}

export function aMessage(id: string, role: 'user' | 'assistant', runId: string, content = id) {
  return { id, workflow_id: 'w', run_id: runId, role, content, timestamp: AT, created_at: AT };
}

/** A chunk of the run `r`; numbers count by themselves where none is given. */
export function aChunk(
  seq: number,
  type: StreamChunk['chunk_type'],
  more: Partial<StreamChunk> = {},
): StreamChunk {
  return {
    workflow_id: 'w',
    chunk_type: type,
    seq,
    ts: 1_790_000_000 + seq / 10,
    run_id: 'r',
    path: 'helper/model',
    parent_path: 'helper',
    attempt: 1,
    ...more,
  };
}
