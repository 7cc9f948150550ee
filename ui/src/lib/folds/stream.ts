/** What the events of a workflow amount to: its words, calls, thoughts, sub-agents and tasks, as they are now. */
import type {
  ActiveSubAgent,
  ActiveTask,
  ActiveTool,
  ReasoningStep,
  StreamChunk,
  ValidationRequired,
  ValidationResponse,
  WorkflowComplete,
} from '$types/streaming';
import { Answers } from './answers';

/** Which parts an event has changed. */
export const CONTENT = 1;
export const TOOLS = 2;
export const REASONING = 4;
export const AGENTS = 8;
export const TASKS = 16;
export const PEOPLE = 32;
export const FLAGS = 64;
export const EVERYTHING = 127;

/** How an execution stands, as far as its events tell. */
export type StreamStatus = 'idle' | 'running' | 'completed' | 'error' | 'cancelled';

/** A call that waits for somebody, or a question. */
export type Waiting =
  | { kind: 'validation'; id: string; path: string; asked: ValidationRequired }
  | { kind: 'question'; id: string; path: string; asked: StreamChunk };

/** What the events amount to, as plain data. */
export interface StreamState {
  workflowId: string;
  runId: string;
  status: StreamStatus;
  error: string | null;
  content: string;
  tokens: number;
  tools: ActiveTool[];
  reasoning: ReasoningStep[];
  subAgents: ActiveSubAgent[];
  tasks: ActiveTask[];
  waiting: Waiting[];
  /** When it began (Unix milliseconds by the server's clock); 0 while nothing has. */
  started: number;
}

const SUB_AGENT_ENDS: Record<string, ActiveSubAgent['status']> = {
  success: 'completed',
  partial: 'completed',
  cancelled: 'cancelled',
};
const CALL_ENDS: Record<string, ActiveTool['status']> = {
  success: 'completed',
  partial: 'completed',
  cancelled: 'cancelled',
};

/**
 * Folds the events of one execution after another; `take` says which parts have changed.
 *
 * An event is known by its number in its run: one that comes again is passed over. Where an attempt grows, what was
 * said at that path before is void. A primary agent is told as a call without an id, at the root; it is no tool.
 */
export class StreamFold {
  runId = '';
  status: StreamStatus = 'idle';
  error: string | null = null;
  started = 0;
  /** The number of the last event of the run. */
  seq = 0;
  readonly tools = new Map<string, ActiveTool>();
  readonly agents = new Map<string, ActiveSubAgent>();
  readonly tasks = new Map<string, ActiveTask>();
  readonly waiting = new Map<string, Waiting>();
  readonly #answers = new Answers();

  constructor(readonly workflowId: string) {}

  /** The words of the workflow's own agent: all that it says while it works, and its last answer when it is done. */
  get content(): string {
    return this.status === 'completed' ? this.#answers.last : this.#answers.content;
  }

  get tokens(): number {
    return this.#answers.tokens;
  }

  get reasoning(): ReasoningStep[] {
    return this.#answers.steps;
  }

  /** Begins an execution: what was told of an earlier one is gone, but not the tasks, which are the workflow's. */
  begin(runId: string, status: StreamStatus = 'running', started = 0): number {
    this.runId = runId;
    this.status = status;
    this.error = null;
    this.started = started;
    this.seq = 0;
    this.tools.clear();
    this.agents.clear();
    this.waiting.clear();
    this.#answers.clear();
    return EVERYTHING;
  }

  /** Takes an event by its name; returns which parts have changed. */
  take(name: string, data: unknown): number {
    switch (name) {
      case 'workflow_stream':
      case 'sub_agent_start':
      case 'sub_agent_progress':
      case 'sub_agent_complete':
      case 'sub_agent_error':
        return this.#chunk(data as StreamChunk);
      case 'validation_required':
        return this.#required(data as ValidationRequired);
      case 'validation_response':
        return this.#decided(data as ValidationResponse);
      case 'workflow_complete':
        return this.#complete(data as WorkflowComplete);
      default:
        return 0;
    }
  }

  /** Takes that somebody changed a task by hand, one that the stream told of. */
  retask(id: string, what: string, status = ''): number {
    const task = this.tasks.get(id);
    if (!task) return 0;
    if (what === 'task_deleted') this.tasks.delete(id);
    else this.tasks.set(id, { ...task, status: status as ActiveTask['status'] });
    return TASKS;
  }

  /** The state as plain data; its lists are new, what is in them is not. */
  state(): StreamState {
    return {
      workflowId: this.workflowId,
      runId: this.runId,
      status: this.status,
      error: this.error,
      content: this.content,
      tokens: this.tokens,
      tools: [...this.tools.values()],
      reasoning: this.reasoning,
      subAgents: [...this.agents.values()],
      tasks: [...this.tasks.values()],
      waiting: [...this.waiting.values()],
      started: this.started,
    };
  }

  /** Says whether an event is new, and begins its run where that is another one. */
  #enters(told: { run_id: string; seq: number; ts: number }): number {
    let changed = 0;
    if (told.run_id !== this.runId) changed = this.begin(told.run_id);
    else if (told.seq <= this.seq) return -1;
    else if (this.status !== 'running') {
      this.status = 'running'; // a run that was interrupted goes on
      this.error = null;
      changed = FLAGS;
    }
    if (!this.started) this.started = told.ts * 1000;
    return changed;
  }

  #chunk(chunk: StreamChunk): number {
    const entered = this.#enters(chunk);
    if (entered < 0) return 0;
    const pieces = this.seq ? chunk.seq - this.seq : 1;
    this.seq = chunk.seq;
    return entered | this.#told(chunk, pieces);
  }

  #told(chunk: StreamChunk, pieces: number): number {
    switch (chunk.chunk_type) {
      case 'token':
        return this.#answers.said(chunk, pieces) ? CONTENT | REASONING : CONTENT;
      case 'reasoning':
        this.#answers.thought(chunk);
        return REASONING;
      case 'tool_start':
        return this.#toolStart(chunk);
      case 'tool_end':
        return this.#toolEnd(chunk);
      case 'error':
        this.error = chunk.content ?? '';
        return FLAGS;
      case 'sub_agent_start':
      case 'sub_agent_progress':
      case 'sub_agent_complete':
      case 'sub_agent_error':
        return this.#subAgent(chunk);
      case 'task_create':
      case 'task_update':
      case 'task_complete':
        return this.#task(chunk);
      case 'user_question_start':
        return this.#asks(chunk);
      case 'user_question_complete':
        this.waiting.delete(chunk.question_id ?? '');
        return PEOPLE;
      default:
        return 0;
    }
  }

  #toolStart(chunk: StreamChunk): number {
    if (!chunk.parent_path && !chunk.call_id) return this.#voided(chunk);
    this.tools.set(chunk.path, {
      id: `${chunk.run_id}:${chunk.path}`,
      name: chunk.tool ?? '',
      status: 'running',
      path: chunk.path,
      run_id: chunk.run_id,
      parent: chunk.parent_path,
      agent: chunk.sub_agent_name ?? null,
      call_id: chunk.call_id ?? null,
      started: chunk.ts * 1000,
      duration: null,
      attempt: chunk.attempt ?? 1,
      error: null,
    });
    return TOOLS;
  }

  /** Takes that an agent begins, perhaps anew: what its answers said before is void. */
  #voided(chunk: StreamChunk): number {
    return (chunk.attempt ?? 1) > 1 && this.#answers.void(chunk.path) ? CONTENT | REASONING : 0;
  }

  #toolEnd(chunk: StreamChunk): number {
    const tool = this.tools.get(chunk.path);
    if (!tool) return 0;
    const outcome = chunk.outcome ?? 'success';
    // somebody has edited it: it is made when it is alone, and told then
    if (outcome === 'put_off') this.tools.delete(chunk.path);
    else
      this.tools.set(chunk.path, {
        ...tool,
        status: CALL_ENDS[outcome] ?? 'error',
        duration: chunk.duration ?? 0,
        attempt: chunk.attempt ?? tool.attempt,
        error: outcome === 'success' ? null : (chunk.content ?? null),
      });
    return TOOLS;
  }

  #subAgent(chunk: StreamChunk): number {
    const agent = this.#helper(chunk);
    if (!agent) return 0;
    const ended = chunk.chunk_type === 'sub_agent_complete' || chunk.chunk_type === 'sub_agent_error';
    if (ended) {
      agent.status = SUB_AGENT_ENDS[chunk.outcome ?? 'success'] ?? 'error';
      agent.duration = chunk.metrics?.duration_ms ?? chunk.duration ?? 0;
      agent.error = chunk.chunk_type === 'sub_agent_error' ? (chunk.content ?? '') : null;
    }
    agent.progress = chunk.progress ?? agent.progress;
    agent.metrics = chunk.metrics ?? agent.metrics;
    if (chunk.chunk_type !== 'sub_agent_start') agent.message = chunk.content ?? agent.message;
    this.agents.set(agent.path, agent);
    const begins = chunk.chunk_type === 'sub_agent_start' ? this.#voided(chunk) : 0;
    return AGENTS | begins;
  }

  /** Returns the sub-agent that a chunk tells of; progress is told at the path of what it does. */
  #helper(chunk: StreamChunk): ActiveSubAgent | null {
    if (chunk.chunk_type === 'sub_agent_start') {
      const before = this.agents.get(chunk.path);
      return {
        id: `${chunk.run_id}:${chunk.path}`,
        agent_id: chunk.sub_agent_id ?? '',
        name: chunk.sub_agent_name ?? '',
        parent: chunk.parent_agent_id ?? '',
        path: chunk.path,
        run_id: chunk.run_id,
        task: chunk.content ?? '',
        status: 'running',
        progress: 0,
        message: '',
        started: before?.started ?? chunk.ts * 1000,
        duration: null,
        metrics: null,
        error: null,
      };
    }
    const found = this.agents.get(chunk.path) ?? this.agents.get(chunk.parent_path);
    return found ? { ...found } : null;
  }

  #task(chunk: StreamChunk): number {
    const id = chunk.task_id ?? '';
    if (chunk.task_status === 'deleted') this.tasks.delete(id);
    else
      this.tasks.set(id, {
        id,
        name: chunk.task_name ?? this.tasks.get(id)?.name ?? '',
        status: (chunk.task_status ?? 'pending') as ActiveTask['status'],
        priority: chunk.task_priority ?? 3,
        run_id: chunk.run_id,
        created: this.tasks.get(id)?.created ?? chunk.ts * 1000,
        updated: chunk.ts * 1000,
      });
    return TASKS;
  }

  #asks(chunk: StreamChunk): number {
    const id = chunk.question_id ?? '';
    this.waiting.set(id, { kind: 'question', id, path: chunk.path, asked: chunk });
    return PEOPLE;
  }

  #required(asked: ValidationRequired): number {
    const entered = this.#enters(asked);
    if (entered < 0) return 0;
    this.seq = asked.seq;
    const id = asked.validation_id;
    this.waiting.set(id, { kind: 'validation', id, path: asked.path, asked });
    return entered | PEOPLE;
  }

  #decided(told: ValidationResponse): number {
    const entered = this.#enters(told);
    if (entered < 0) return 0;
    this.seq = told.seq;
    this.waiting.delete(told.validation_id);
    return entered | PEOPLE;
  }

  #complete(told: WorkflowComplete): number {
    // an execution that could not go on is announced without a number
    if (told.seq !== undefined && told.run_id === this.runId && told.seq <= this.seq) return 0;
    let changed = told.run_id === this.runId ? 0 : this.begin(told.run_id);
    this.seq = told.seq ?? this.seq;
    this.status = told.status;
    this.error = told.status === 'completed' ? null : (told.error ?? this.error);
    for (const [path, tool] of this.tools)
      if (tool.status === 'running') {
        this.tools.set(path, { ...tool, status: 'cancelled', duration: 0 });
        changed |= TOOLS;
      }
    for (const [path, agent] of this.agents)
      if (agent.status === 'running') {
        this.agents.set(path, { ...agent, status: 'cancelled' });
        changed |= AGENTS;
      }
    if (this.waiting.size) changed |= PEOPLE;
    this.waiting.clear();
    return changed | CONTENT | FLAGS;
  }
}

/** Folds events, each a name and its data, of one workflow. */
export function folded(workflowId: string, events: Iterable<readonly [string, unknown]>): StreamState {
  const fold = new StreamFold(workflowId);
  for (const [name, data] of events) fold.take(name, data);
  return fold.state();
}
