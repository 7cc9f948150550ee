/** What an answer was made of, run by run: calls, sub-agents and thoughts, and which of them ran together. */
import { offered } from '$lib/names';
import { mostTogether } from '$lib/together';
import type { ActiveSubAgent, ActiveTool, ReasoningStep } from '$types/streaming';
import type { QuestionRow, ValidationRequest } from '$types/validation';
import type { SubAgentExecution, ThinkingStep, ToolExecution, WorkflowFullState } from '$types/workflow';

export type PartStatus = 'running' | 'completed' | 'error' | 'cancelled';

/** A call of a tool; times are Unix milliseconds by the server's clock. */
export interface Call {
  kind: 'call';
  id: string;
  name: string;
  server: string | null;
  path: string;
  status: PartStatus;
  started: number;
  /** Milliseconds; null while it runs. */
  duration: number | null;
  attempt: number;
  error: string | null;
  /** Null where it is not known yet. */
  input: unknown;
  output: string | null;
}

/** What a sub-agent was asked and how it did; `calls` are the calls that it made. */
export interface Helper {
  kind: 'helper';
  id: string;
  name: string;
  path: string;
  status: PartStatus;
  started: number;
  duration: number | null;
  /** 0 to 100; null when it tells none. */
  progress: number | null;
  task: string;
  message: string;
  error: string | null;
  tokens: number | null;
  cost: number | null;
  calls: Call[];
}

export interface Thought {
  id: string;
  content: string;
  started: number;
  duration: number | null;
  tokens: number | null;
}

export type Step = Call | Helper;
/** Steps that overlapped in time; `together` is how many of them at most at once. */
export interface Batch {
  steps: Step[];
  together: number;
  started: number;
  /** Milliseconds; null while one of them runs. */
  duration: number | null;
}

/** Everything of one run that stands between the question and the answer. */
export interface Parts {
  calls: Call[];
  helpers: Helper[];
  thoughts: Thought[];
  validations: ValidationRequest[];
  questions: QuestionRow[];
}

export const NO_PARTS: Parts = { calls: [], helpers: [], thoughts: [], validations: [], questions: [] };

/** Returns the parts of each run that a state tells of. */
export function partsOf(state: WorkflowFullState | null): ReadonlyMap<string, Parts> {
  const found = new Map<string, Parts>();
  const at = (runId: string): Parts => {
    const known = found.get(runId);
    if (known) return known;
    const made: Parts = { calls: [], helpers: [], thoughts: [], validations: [], questions: [] };
    found.set(runId, made);
    return made;
  };
  if (!state) return found;
  for (const row of state.tool_executions) at(row.run_id).calls.push(callOfRow(row));
  for (const row of state.sub_agent_executions) at(row.run_id).helpers.push(helperOfRow(row));
  for (const row of state.thinking_steps) at(row.run_id).thoughts.push(thoughtOfRow(row));
  for (const row of state.validations) at(row.run_id).validations.push(row);
  for (const row of state.questions) at(row.run_id).questions.push(row);
  return found;
}

/** Returns what the stream tells of a run that goes on; what waits for people is known elsewhere. */
export function partsOfStream(
  tools: readonly ActiveTool[],
  agents: readonly ActiveSubAgent[],
  thoughts: readonly ReasoningStep[],
): Parts {
  return {
    ...NO_PARTS,
    calls: tools.map(callOfStream),
    helpers: agents.map(helperOfStream),
    thoughts: thoughts.map(thoughtOfStream),
  };
}

/**
 * Returns the steps of the workflow's own agent in batches, in the order in which they began.
 *
 * Calls that a sub-agent made stand below it, and a call whose only work was to start a sub-agent is that sub-agent.
 */
export function batchesOf(parts: Pick<Parts, 'calls' | 'helpers'>): Batch[] {
  const helpers = parts.helpers.map((helper) => ({ ...helper, calls: [] as Call[] }));
  const byPath = new Map(helpers.map((helper) => [helper.path, helper]));
  const above = new Set(helpers.flatMap((helper) => pathsAbove(helper.path)));
  const own: Step[] = helpers.filter((helper) => !innermost(byPath, helper.path));
  for (const call of parts.calls) {
    const owner = innermost(byPath, call.path);
    if (owner) owner.calls.push(call);
    else if (!above.has(call.path)) own.push(call);
  }
  return together(own);
}

/** Returns the batches as they are shown: single steps that follow each other stand in one card. */
export function cardsOf(batches: readonly Batch[]): Batch[] {
  const cards: Batch[] = [];
  for (const batch of batches) {
    const last = cards.at(-1);
    if (batch.steps.length === 1 && last?.together === 1) last.steps.push(...batch.steps);
    else cards.push({ ...batch, steps: [...batch.steps] });
  }
  return cards;
}

/** Returns the requests for approval as they are shown: those decided alike, one after the other, are one. */
export function decisionsOf(
  requests: readonly ValidationRequest[],
): { request: ValidationRequest; count: number }[] {
  const found: { request: ValidationRequest; count: number }[] = [];
  for (const request of requests) {
    const last = found.at(-1);
    if (last && isAlike(last.request, request)) last.count++;
    else found.push({ request, count: 1 });
  }
  return found;
}

function isAlike(one: ValidationRequest, other: ValidationRequest): boolean {
  if (one.answered_at === null || other.answered_at === null || one.edited || other.edited) return false;
  const facts = ['status', 'decided_by', 'decision_reason', 'operation', 'agent_id', 'tool_name'] as const;
  return facts.every((fact) => one[fact] === other[fact]);
}

/** Returns the sub-agent nearest above a path, null when there is none. */
function innermost<H>(byPath: ReadonlyMap<string, H>, path: string): H | null {
  const found = pathsAbove(path).find((each) => byPath.has(each));
  return found === undefined ? null : (byPath.get(found) ?? null);
}

/** Returns the paths above one, the nearest first. */
function pathsAbove(path: string): string[] {
  const found: string[] = [];
  for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1))
    found.push(path.slice(0, cut));
  return found;
}

function together(steps: readonly Step[]): Batch[] {
  const batches: Batch[] = [];
  let end = -Infinity;
  for (const step of steps.toSorted((one, other) => one.started - other.started)) {
    const last = batches.at(-1);
    if (last && step.started < end) last.steps.push(step);
    else batches.push({ steps: [step], together: 1, started: step.started, duration: null });
    end = Math.max(end, endOf(step));
  }
  for (const batch of batches) {
    batch.together = Math.max(1, mostTogether(batch.steps.map((step) => [step.started, endOf(step)])));
    const last = batch.steps.reduce((latest, step) => Math.max(latest, endOf(step)), -Infinity);
    batch.duration = Number.isFinite(last) ? last - batch.started : null;
  }
  return batches;
}

function endOf(step: Step): number {
  return step.duration === null ? Infinity : step.started + step.duration;
}

function callOfRow(row: ToolExecution): Call {
  const { name, server } = offered(row.tool_name);
  return {
    kind: 'call',
    id: row.id,
    name,
    server: row.server_name ?? (server || null),
    path: row.path,
    status: row.success ? 'completed' : isStopped(row.error_message) ? 'cancelled' : 'error',
    started: Date.parse(row.created_at),
    duration: row.duration_ms,
    attempt: 1,
    error: row.error_message,
    input: row.input_params,
    output: row.output_result,
  };
}

/** Says whether a call did not fail but was cancelled, alone or with its run; a time limit is a failure. */
function isStopped(error: string | null): boolean {
  return !!error?.startsWith('it was stopped: ') && !error.startsWith('it was stopped: it took longer than ');
}

function callOfStream(tool: ActiveTool): Call {
  const { name, server } = offered(tool.name);
  return { ...tool, name, kind: 'call', server: server || null, input: null, output: null };
}

function helperOfRow(row: SubAgentExecution): Helper {
  return {
    kind: 'helper',
    id: row.id,
    name: row.sub_agent_name || row.sub_agent_id,
    path: row.path,
    status: row.status === 'pending' ? 'running' : row.status,
    started: Date.parse(row.created_at),
    duration: row.duration_ms,
    progress: null,
    task: row.task_description,
    message: row.result_summary ?? '',
    error: row.error_message,
    tokens: row.tokens_input + row.tokens_output,
    cost: row.cost_usd,
    calls: [],
  };
}

function helperOfStream(agent: ActiveSubAgent): Helper {
  return {
    kind: 'helper',
    id: agent.id,
    name: agent.name || agent.agent_id,
    path: agent.path,
    status: agent.status,
    started: agent.started,
    duration: agent.duration,
    progress: agent.status === 'running' ? agent.progress : null,
    task: agent.task,
    message: agent.message,
    error: agent.error,
    tokens: agent.metrics ? agent.metrics.tokens_input + agent.metrics.tokens_output : null,
    cost: null,
    calls: [],
  };
}

function thoughtOfRow(row: ThinkingStep): Thought {
  return {
    id: row.id,
    content: row.content,
    started: Date.parse(row.created_at),
    duration: row.duration_ms,
    tokens: row.tokens,
  };
}

function thoughtOfStream(step: ReasoningStep): Thought {
  return { id: step.id, content: step.content, started: step.started, duration: step.duration, tokens: null };
}
