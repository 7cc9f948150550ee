/** What the workflow that is looked at is doing now; a word wakes nobody but those who show words. */
import { derived, writable, type Readable } from 'svelte/store';
import {
  AGENTS,
  CONTENT,
  EVERYTHING,
  FLAGS,
  PEOPLE,
  REASONING,
  StreamFold,
  TASKS,
  TOOLS,
  type StreamState,
  type Waiting,
} from '$lib/folds/stream';
import { WorkflowService } from '$lib/services/workflow.service';
import type { ActiveSubAgent, ActiveTask, ActiveTool, ReasoningStep } from '$types/streaming';
import { backgroundWorkflowsStore as background } from './background';
import { Frames } from './frames';

interface Words {
  content: string;
  tokens: number;
}
interface Flags {
  workflowId: string | null;
  runId: string;
  status: 'idle' | 'running' | 'cancelling' | 'completed' | 'error' | 'cancelled';
  error: string | null;
  /** When the execution began (Unix milliseconds by the server's clock); 0 while nothing has. */
  started: number;
}

const NO_WORDS: Words = { content: '', tokens: 0 };
const NO_FLAGS: Flags = { workflowId: null, runId: '', status: 'idle', error: null, started: 0 };

const words = writable<Words>(NO_WORDS);
const tools = writable<ActiveTool[]>([]);
const thoughts = writable<ReasoningStep[]>([]);
const agents = writable<ActiveSubAgent[]>([]);
const tasks = writable<ActiveTask[]>([]);
const waiting = writable<Waiting[]>([]);
const flags = writable<Flags>(NO_FLAGS);

/** Everything at once; whoever shows a part subscribes to that part. */
export interface StreamingState extends Words, Flags {
  tools: ActiveTool[];
  reasoning: ReasoningStep[];
  agents: ActiveSubAgent[];
  tasks: ActiveTask[];
  /** The calls and questions of the execution that wait for somebody. */
  waiting: Waiting[];
}

class Streaming {
  #workflowId: string | null = null;
  #dirty = 0;
  #steps = 0;
  readonly #frames = new Frames(() => this.#flush());
  readonly #state: Readable<StreamingState> = derived(
    [words, flags, tools, thoughts, agents, tasks, waiting],
    ([said, standing, called, reasoning, helping, listed, asked]) => ({
      ...said,
      ...standing,
      tools: called,
      reasoning,
      agents: helping,
      tasks: listed,
      waiting: asked,
    }),
  );
  subscribe = this.#state.subscribe;

  constructor() {
    background.watch((workflowId, changed) => {
      if (workflowId === this.#workflowId) this.#changed(changed);
    });
  }

  /** Begins a new execution of a workflow: what was shown of an earlier one is gone. */
  async start(workflowId: string): Promise<void> {
    this.#workflowId = workflowId;
    if (!this.#runs) this.#fold.begin('');
    this.#changed(EVERYTHING);
    this.flushSync();
  }

  /** Shows what a workflow is doing, and reads what it did before this page listened; null shows nothing. */
  async attach(workflowId: string | null): Promise<void> {
    if (this.#workflowId !== workflowId) {
      this.#workflowId = workflowId;
      this.#changed(EVERYTHING);
      this.flushSync();
    }
    if (workflowId) await background.restore(workflowId);
  }

  /** Shows a state as it was found, as of a run that somebody looks back at. */
  restore(state: StreamState): void {
    this.#workflowId = state.workflowId;
    words.set({ content: state.content, tokens: state.tokens });
    tools.set(state.tools);
    thoughts.set(state.reasoning);
    agents.set(state.subAgents);
    tasks.set(state.tasks);
    waiting.set(state.waiting);
    flags.set({
      workflowId: state.workflowId,
      runId: state.runId,
      status: state.status,
      error: state.error,
      started: state.started,
    });
    this.#dirty = 0;
  }

  /** Takes an event of the stream; those of other workflows are kept for when they are looked at. */
  take(eventName: string, payload: { workflow_id: string }): void {
    background.take(eventName, payload);
  }

  /** Shows now what has changed. */
  flushSync(): void {
    this.#frames.now();
  }

  appendToken(content: string): void {
    this.#tell('token', { content });
  }

  addToolStart(toolName: string): void {
    const path = `${toolName}#${++this.#steps}`;
    this.#tell('tool_start', { tool: toolName, path, parent_path: 'agent' });
  }

  /** Ends the call of a tool that began first and still runs. */
  completeToolEnd(toolName: string, duration: number): void {
    this.#end(toolName, { duration, outcome: 'success' });
  }

  failTool(toolName: string, error: string): void {
    this.#end(toolName, { content: error, outcome: 'error' });
  }

  addReasoning(content: string): void {
    this.#tell('reasoning', { content, path: `agent/model#${++this.#steps}` });
  }

  setError(error: string): void {
    this.#ends('error', error);
  }

  complete(): void {
    this.#ends('completed', null);
  }

  /** Shows that the execution was cancelled; `requestCancel` has it cancelled. */
  cancel(): void {
    this.#ends('cancelled', null);
  }

  /** Has the server cancel what runs: this is shown at once, how it ended when the server says so. */
  async requestCancel(workflowId = this.#workflowId): Promise<void> {
    if (!workflowId) return;
    background.cancelling(workflowId);
    if (workflowId === this.#workflowId) this.flushSync();
    try {
      await WorkflowService.cancel(workflowId);
    } catch (error) {
      background.cancelling(workflowId, false);
      throw error;
    }
  }

  /** Looks at nothing any more; what runs goes on, and is kept. */
  async cleanup(): Promise<void> {
    this.#workflowId = null;
    this.#changed(EVERYTHING);
    this.flushSync();
  }

  /** Forgets what was shown. */
  async reset(): Promise<void> {
    if (this.#workflowId && !this.#runs) background.forget(this.#workflowId);
    await this.cleanup();
  }

  get workflowId(): string | null {
    return this.#workflowId;
  }

  get #fold(): StreamFold {
    return this.#workflowId ? background.fold(this.#workflowId) : new StreamFold('');
  }

  get #runs(): boolean {
    return this.#fold.status === 'running';
  }

  #tell(type: string, told: Record<string, unknown>): void {
    if (!this.#workflowId) return;
    const fold = this.#fold;
    const chunk = {
      workflow_id: this.#workflowId,
      chunk_type: type,
      run_id: fold.runId,
      seq: fold.seq + 1,
      ts: Date.now() / 1000,
      path: 'agent/model',
      parent_path: 'agent',
      ...told,
    };
    this.#changed(fold.take('workflow_stream', chunk));
    this.flushSync();
  }

  #end(toolName: string, told: Record<string, unknown>): void {
    for (const tool of this.#fold.tools.values())
      if (tool.name === toolName && tool.status === 'running') {
        this.#tell('tool_end', { ...told, tool: toolName, path: tool.path });
        return;
      }
  }

  #ends(status: 'completed' | 'error' | 'cancelled', error: string | null): void {
    if (!this.#workflowId) return;
    const fold = this.#fold;
    const told = { workflow_id: this.#workflowId, run_id: fold.runId, seq: fold.seq + 1, status, error };
    this.#changed(fold.take('workflow_complete', { ...told, ts: Date.now() / 1000 }));
    this.flushSync();
  }

  #changed(bits: number): void {
    if (!bits) return;
    this.#dirty |= bits;
    this.#frames.ask();
  }

  #flush(): void {
    const dirty = this.#dirty;
    const fold = this.#fold;
    this.#dirty = 0;
    if (dirty & CONTENT) words.set({ content: fold.content, tokens: fold.tokens });
    if (dirty & TOOLS) tools.set([...fold.tools.values()]);
    if (dirty & REASONING) thoughts.set(fold.reasoning);
    if (dirty & AGENTS) agents.set([...fold.agents.values()]);
    if (dirty & TASKS) tasks.set([...fold.tasks.values()]);
    if (dirty & PEOPLE) waiting.set([...fold.waiting.values()]);
    if (dirty & FLAGS) flags.set(this.#standing(fold));
  }

  #standing(fold: StreamFold): Flags {
    if (!this.#workflowId) return NO_FLAGS;
    const cancelling = fold.status === 'running' && background.status(this.#workflowId) === 'cancelling';
    return {
      workflowId: this.#workflowId,
      runId: fold.runId,
      status: cancelling ? 'cancelling' : fold.status,
      error: fold.error,
      started: fold.started,
    };
  }
}

export const streamingStore = new Streaming();

export const isStreaming = derived(flags, ({ status }) => status === 'running' || status === 'cancelling');
/** Whether the server was asked to stop what runs, and has not done so yet. */
export const cancelling = derived(flags, ({ status }) => status === 'cancelling');
export const isCancelled = derived(flags, ({ status }) => status === 'cancelled');
export const isCompleted = derived(flags, ({ status }) => status === 'completed');
export const streamError = derived(flags, ({ error }) => error);
/** The run whose events are shown, empty while there is none. */
export const streamRunId = derived(flags, ({ runId }) => runId);
export const streamContent = derived(words, ({ content }) => content);
/** How many tokens came of the workflow's own agent, about. */
export const tokensReceived = derived(words, ({ tokens }) => tokens);
export const activeTools: Readable<ActiveTool[]> = { subscribe: tools.subscribe };
export const runningTools = derived(tools, (all) => all.filter((each) => each.status === 'running'));
export const completedTools = derived(tools, (all) => all.filter((each) => each.status === 'completed'));
export const reasoningSteps: Readable<ReasoningStep[]> = { subscribe: thoughts.subscribe };
export const activeSubAgents: Readable<ActiveSubAgent[]> = { subscribe: agents.subscribe };
export const runningSubAgents = derived(agents, (all) => all.filter((each) => each.status === 'running'));
export const completedSubAgents = derived(agents, (all) => all.filter((each) => each.status === 'completed'));
export const activeTasks: Readable<ActiveTask[]> = { subscribe: tasks.subscribe };
export const pendingTasks = derived(tasks, (all) => all.filter((each) => each.status === 'pending'));
export const runningTasks = derived(tasks, (all) => all.filter((each) => each.status === 'in_progress'));
export const completedTasks = derived(tasks, (all) => all.filter((each) => each.status === 'completed'));
