/** What the activity feed shows: events folded from the rows of a state, and from what a stream tells now. */
import { millis } from '$lib/format';
import { wholeName } from '$lib/names';
import type {
  ActivityFilter,
  ActivityStatus,
  ActivityType,
  WorkflowActivityEvent as Activity,
} from '$types/activity';
import type { ActiveSubAgent, ActiveTask, ActiveTool, ReasoningStep } from '$types/streaming';
import type {
  Message,
  SubAgentExecution,
  ThinkingStep,
  ToolExecution,
  WorkflowFullState,
  WorkflowTask,
} from '$types/workflow';
import type { ValidationRequest } from '$types/validation';

/** How much of a long text an event's description holds (characters). */
const LONGEST = 2_000;

type AgentStatus = ActiveSubAgent['status'] | 'pending';
const AGENT_TYPES: Record<AgentStatus, ActivityType> = {
  pending: 'sub_agent_start',
  running: 'sub_agent_start',
  completed: 'sub_agent_complete',
  error: 'sub_agent_error',
  cancelled: 'sub_agent_error',
};
const AGENT_STATUS: Record<AgentStatus, ActivityStatus> = {
  pending: 'pending',
  running: 'running',
  completed: 'completed',
  error: 'error',
  cancelled: 'error',
};
const TASK_TYPES: Record<string, ActivityType> = { pending: 'task_create', completed: 'task_complete' };
const TASK_STATUS: Record<string, ActivityStatus> = { in_progress: 'running', completed: 'completed' };
const FILTERS: Record<Exclude<ActivityFilter, 'all'>, readonly string[]> = {
  tools: ['tool_start', 'tool_complete', 'tool_error', 'validation'],
  agents: ['sub_agent_start', 'sub_agent_progress', 'sub_agent_complete', 'sub_agent_error'],
  reasoning: ['reasoning'],
  todos: ['task_create', 'task_update', 'task_complete'],
};

/** Says whether an event passes a filter. */
export function passes(activity: Activity, filter: ActivityFilter): boolean {
  return filter === 'all' || FILTERS[filter].includes(activity.type);
}

/** Counts the events that each filter lets pass, in one go. */
export function counts(activities: readonly Activity[]): Record<ActivityFilter, number> {
  const found = { all: activities.length, tools: 0, agents: 0, reasoning: 0, todos: 0 };
  for (const { type } of activities) {
    if (type.startsWith('tool') || type === 'validation') found.tools++;
    else if (type.startsWith('sub_agent')) found.agents++;
    else if (type === 'reasoning') found.reasoning++;
    else if (type.startsWith('task')) found.todos++;
  }
  return found;
}

/** Orders events by their time; those of one moment keep their order. */
export function sorted(activities: Activity[]): Activity[] {
  return activities.sort((one, other) => one.timestamp - other.timestamp);
}

/** Puts live events behind or among sorted ones: a live one takes the place of a known one of its id. */
export function merged(history: readonly Activity[], live: readonly Activity[]): readonly Activity[] {
  if (!live.length) return history;
  if (!history.length) return live;
  const from = live[0]?.timestamp ?? 0;
  // only the end of the history can stand among what happens now
  let place = history.length;
  while (place > 0 && (history[place - 1]?.timestamp ?? 0) >= from) place--;
  // what went on after a restart is told again, by a clock that was read anew
  const told = new Set(live.map((each) => each.id));
  const head = history.slice(0, place).filter((each) => !told.has(each.id));
  const again = head.length < place ? history.slice(0, place).filter((each) => told.has(each.id)) : [];
  const known = new Map([...again, ...history.slice(place)].map((each) => [each.id, each]));
  for (const each of live) {
    const before = known.get(each.id);
    known.set(each.id, before ? { ...each, ...kept(before, each) } : each);
  }
  return [...head, ...sorted([...known.values()])];
}

/** Returns what a row told and the stream does not, as what a call was given. */
function kept(before: Activity, now: Activity): Pick<Activity, 'description' | 'metadata'> {
  return {
    description: now.description || before.description,
    metadata: { ...before.metadata, ...now.metadata },
  };
}

/** Returns the events that the rows of a state tell, in the order of time. */
export function ofState(state: WorkflowFullState): Activity[] {
  return sorted([
    ...state.messages.map(ofMessage),
    ...state.tool_executions.map(ofToolRow),
    ...state.thinking_steps.map(ofThought),
    ...state.sub_agent_executions.map(ofHelper),
    ...state.validations.map(ofValidation),
    ...state.tasks.map(ofTaskRow),
  ]);
}

function cut(text: string | null | undefined): string {
  if (!text) return '';
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function ofMessage(row: Message): Activity {
  return {
    id: `message:${row.id}`,
    timestamp: millis(row.created_at),
    type: 'message',
    title: row.role,
    description: cut(row.content),
    status: 'completed',
    duration: row.duration_ms ?? null,
    metadata: {
      run_id: row.run_id,
      role: row.role,
      tokens: row.tokens ?? null,
      cost_usd: row.cost_usd ?? null,
    },
  };
}

function ofToolRow(row: ToolExecution): Activity {
  return {
    id: `tool:${row.id}`,
    timestamp: millis(row.created_at),
    type: row.success ? 'tool_complete' : 'tool_error',
    title: wholeName(row.tool_name),
    description: cut(row.error_message),
    status: row.success ? 'completed' : 'error',
    duration: row.duration_ms,
    metadata: {
      path: row.path,
      run_id: row.run_id,
      agent: row.agent_id,
      tool_type: row.tool_type,
      server_name: row.server_name,
      iteration: row.iteration,
      input: row.input_params,
      output: row.output_result,
    },
  };
}

/** Returns the event of a call; a call and its end are one event whose status changes. */
export function ofTool(tool: ActiveTool): Activity {
  const runs = tool.status === 'running';
  const well = tool.status === 'completed';
  return {
    id: `tool:${tool.id}`,
    timestamp: tool.started,
    type: runs ? 'tool_start' : well ? 'tool_complete' : 'tool_error',
    title: wholeName(tool.name),
    description: well ? '' : cut(tool.error),
    status: runs ? 'running' : well ? 'completed' : 'error',
    duration: tool.duration,
    metadata: {
      path: tool.path,
      run_id: tool.run_id,
      agent: tool.agent ?? undefined,
      call_id: tool.call_id ?? undefined,
      attempt: tool.attempt,
    },
  };
}

function ofThought(row: ThinkingStep): Activity {
  return {
    id: `thought:${row.id}`,
    timestamp: millis(row.created_at),
    type: 'reasoning',
    title: `${row.step_number}`,
    description: cut(row.content),
    status: 'completed',
    duration: row.duration_ms,
    metadata: { path: row.path, run_id: row.run_id, agent: row.agent_id, tokens: row.tokens },
  };
}

/** Returns the event of a thought. */
export function ofReasoning(step: ReasoningStep): Activity {
  return {
    id: `thought:${step.id}`,
    timestamp: step.started,
    type: 'reasoning',
    title: `${step.number}`,
    description: cut(step.content),
    status: 'completed',
    duration: step.duration,
    metadata: { path: step.path, run_id: step.run_id, agent: step.agent ?? undefined },
  };
}

function ofHelper(row: SubAgentExecution): Activity {
  return {
    id: `agent:${row.id}`,
    timestamp: millis(row.created_at),
    type: AGENT_TYPES[row.status],
    title: row.sub_agent_name,
    description: cut(row.error_message ?? row.result_summary ?? row.task_description),
    status: AGENT_STATUS[row.status],
    duration: row.duration_ms,
    metadata: {
      path: row.path,
      run_id: row.run_id,
      agent: row.sub_agent_id,
      parent: row.parent_agent_id,
      task: cut(row.task_description),
      tokens_input: row.tokens_input,
      tokens_output: row.tokens_output,
      cost_usd: row.cost_usd,
      ...(row.status === 'cancelled' && { cancelled: true }),
    },
  };
}

/** Returns the event of a sub-agent. */
export function ofAgent(agent: ActiveSubAgent): Activity {
  const runs = agent.status === 'running';
  const type = runs && agent.message ? 'sub_agent_progress' : AGENT_TYPES[agent.status];
  return {
    id: `agent:${agent.id}`,
    timestamp: agent.started,
    type,
    title: agent.name,
    description: cut(agent.error ?? (agent.message || agent.task)),
    status: AGENT_STATUS[agent.status],
    duration: agent.duration,
    metadata: {
      path: agent.path,
      run_id: agent.run_id,
      agent: agent.agent_id,
      parent: agent.parent,
      task: cut(agent.task),
      progress: agent.progress,
      tokens_input: agent.metrics?.tokens_input ?? 0,
      tokens_output: agent.metrics?.tokens_output ?? 0,
      ...(agent.status === 'cancelled' && { cancelled: true }),
    },
  };
}

function ofTaskRow(row: WorkflowTask): Activity {
  return {
    id: `task:${row.id}`,
    timestamp: millis(row.created_at),
    type: TASK_TYPES[row.status] ?? 'task_update',
    title: row.name,
    description: cut(row.description),
    status: TASK_STATUS[row.status] ?? 'pending',
    duration: row.duration_ms ?? null,
    metadata: {
      task_id: row.id,
      task_status: row.status,
      priority: row.priority,
      agent: row.agent_assigned ?? undefined,
    },
  };
}

/** Returns the event of a task. */
export function ofTask(task: ActiveTask): Activity {
  return {
    id: `task:${task.id}`,
    timestamp: task.created,
    type: TASK_TYPES[task.status] ?? 'task_update',
    title: task.name,
    description: '',
    status: TASK_STATUS[task.status] ?? 'pending',
    duration: null,
    metadata: { task_id: task.id, task_status: task.status, priority: task.priority, run_id: task.run_id },
  };
}

const DECIDED: Record<ValidationRequest['status'], ActivityStatus> = {
  pending: 'pending',
  approved: 'completed',
  escalated: 'pending',
  rejected: 'error',
  denied: 'error',
  withdrawn: 'error',
};

function ofValidation(row: ValidationRequest): Activity {
  return {
    id: `validation:${row.id}`,
    timestamp: millis(row.created_at),
    type: 'validation',
    title: row.operation,
    description: cut(row.decision_reason ?? row.reason),
    status: DECIDED[row.status],
    duration: null,
    metadata: {
      path: row.path,
      run_id: row.run_id,
      agent: row.agent_id,
      validation_id: row.id,
      validation_status: row.status,
      risk: row.risk_level,
    },
  };
}
