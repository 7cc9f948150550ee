/** The conversation of the workflow that is looked at: what was said, what waits to be executed, what was interrupted. */
import { derived, get, writable } from 'svelte/store';
import { api, call } from '$lib/api';
import { live, type WorkflowUpdate } from '$lib/live/live';
import type { WorkflowExecution } from '$types/api';
import type { Execution, Message, WorkflowFullState } from '$types/workflow';
import { look } from './look.svelte';
import { loadStates, together } from './states';

export interface MessagesState {
  workflowId: string | null;
  /** In their order; the answer that is being given is not among them, `streamContent` tells it. */
  messages: readonly Message[];
  messagesLoading: boolean;
  error: unknown;
  /** The messages that wait to be executed, in their order. */
  queue: readonly Execution[];
  /** The execution that goes on now. */
  running: Execution | null;
  /** The last execution that could not go on by itself: it is resumed or cancelled. */
  interrupted: Execution | null;
  /** How the last execution ended that is over; its `error` says why it has no answer. */
  last: WorkflowExecution | null;
}

const NOTHING: MessagesState = {
  workflowId: null,
  messages: [],
  messagesLoading: false,
  error: null,
  queue: [],
  running: null,
  interrupted: null,
  last: null,
};
/** How an execution is known that is only asked for. */
type Open = Pick<MessagesState, 'queue' | 'running' | 'interrupted'>;

interface Rows {
  workflowId: string | null;
  rows: readonly Message[];
  loading: boolean;
  error: unknown;
  open: Open;
  last: WorkflowExecution | null;
}

const NO_OPEN: Open = { queue: [], running: null, interrupted: null };
const NO_ROWS: Rows = { workflowId: null, rows: [], loading: false, error: null, open: NO_OPEN, last: null };
const rows = writable<Rows>(NO_ROWS);
const shown = derived(rows, (now): MessagesState => {
  if (!now.workflowId) return NOTHING;
  return {
    workflowId: now.workflowId,
    messages: said(now.rows, now.open.running),
    messagesLoading: now.loading,
    error: now.error,
    last: now.last,
    ...now.open,
  };
});

/** Returns the messages with the one that is being answered, and without the part of an answer that is known of it. */
function said(known: readonly Message[], running: Execution | null): readonly Message[] {
  if (!running) return known;
  const before = known.filter((each) => each.run_id !== running.run_id || each.role === 'user');
  return before.some((each) => each.run_id === running.run_id) ? before : [...before, asked(running)];
}

/** Returns an execution's message as its row will tell it. */
function asked(execution: Execution): Message {
  const at = new Date((execution.started_at ?? execution.created_at) * 1000).toISOString();
  return {
    id: `${execution.run_id}:task`,
    workflow_id: execution.workflow_id,
    run_id: execution.run_id,
    role: 'user',
    content: execution.message,
    timestamp: at,
    created_at: at,
  };
}

class Messages {
  #asked = 0;
  #loads = false;
  #opened = 0;
  #started = false;
  subscribe = shown.subscribe;

  /** Begins to listen, once. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    live.on('workflow_update', (told) => this.#update(told));
  }

  /** Loads what was said in a workflow, and what of it waits. */
  async load(workflowId: string | null): Promise<void> {
    const number = ++this.#asked;
    this.#loads = workflowId !== null;
    if (workflowId === null) {
      rows.set(NO_ROWS);
      return;
    }
    rows.update((now) =>
      now.workflowId === workflowId
        ? { ...now, loading: !now.rows.length }
        : { ...NO_ROWS, workflowId, loading: true },
    );
    try {
      const take = (state: WorkflowFullState) => {
        if (number !== this.#asked) return false;
        this.#set(state, state.messages);
        return true;
      };
      await Promise.all([loadStates(workflowId, ['messages'], take), this.#loadOpen(workflowId)]);
    } catch (error) {
      if (number === this.#asked) rows.update((now) => ({ ...now, loading: false, error }));
    } finally {
      if (number === this.#asked) this.#loads = false;
    }
  }

  /** Takes that an execution is over, and the last rows, which tell it. */
  ended(runId: string, state: WorkflowFullState): void {
    const now = get(rows);
    if (now.workflowId !== state.workflow.id) return;
    if (now.open.running?.run_id === runId) this.#change((open) => ({ ...open, running: null }));
    const before = now.rows.filter((each) => each.run_id !== runId);
    this.#set(state, together(before, state.messages));
    // what is on its way was asked for before the end
    if (this.#loads) void this.load(state.workflow.id);
  }

  /** Has a message executed, behind what waits; throws what the server refuses. */
  async send(text: string, options: { agentId?: string; workflowId?: string } = {}): Promise<Execution> {
    const workflowId = options.workflowId ?? get(rows).workflowId;
    if (!workflowId) throw new Error('no workflow is open');
    const body = {
      message: text,
      locale: look.locale,
      ...(options.agentId && { agent_id: options.agentId }),
    };
    const params = { path: { workflow_id: workflowId } };
    const execution = await call(api.POST('/api/workflows/{workflow_id}/execute/stream', { params, body }));
    rows.update((now) => {
      const { queue, running } = now.open;
      const known = [...queue, running].some((each) => each?.run_id === execution.run_id);
      if (now.workflowId !== workflowId || known) return now;
      return { ...now, open: { ...now.open, queue: [...queue, execution] } };
    });
    return execution;
  }

  /** Changes the words of a message that waits. */
  async editQueued(runId: string, text: string): Promise<Execution> {
    const params = { path: { run_id: runId } };
    const edited = await call(api.PATCH('/api/queue/{run_id}', { params, body: { message: text } }));
    this.#change((open) => ({
      ...open,
      queue: open.queue.map((each) => (each.run_id === runId ? edited : each)),
    }));
    return edited;
  }

  /** Removes a message that waits. */
  async removeQueued(runId: string): Promise<void> {
    await call(api.DELETE('/api/queue/{run_id}', { params: { path: { run_id: runId } } }));
    this.#change((open) => ({ ...open, queue: open.queue.filter((each) => each.run_id !== runId) }));
  }

  reset(): void {
    this.#asked++;
    this.#loads = false;
    rows.set(NO_ROWS);
  }

  #set(state: WorkflowFullState, found: readonly Message[]): void {
    const over = state.executions.filter((each) => each.ended_at !== null);
    rows.update((now) => ({ ...now, rows: found, loading: false, error: null, last: over.at(-1) ?? null }));
  }

  #change(how: (open: Open) => Open): void {
    rows.update((now) => {
      const open = how(now.open);
      const ran = now.open.running;
      // until its rows are there, what was being answered stays
      const gone =
        ran && ran.run_id !== open.running?.run_id && !now.rows.some((each) => each.run_id === ran.run_id);
      return { ...now, open, rows: gone ? [...now.rows, asked(ran)] : now.rows };
    });
  }

  #update(told: WorkflowUpdate): void {
    if (told.workflow_id !== get(rows).workflowId || !told.run_id) return;
    const { run_id: id, status } = told;
    if (status === 'running')
      this.#change((open) => {
        const begun = open.queue.find((each) => each.run_id === id);
        const queue = open.queue.filter((each) => each.run_id !== id);
        return { queue, running: begun ?? open.running, interrupted: null };
      });
    void this.#loadOpen(told.workflow_id).catch(() => {}); // it is told again when it changes again
  }

  async #loadOpen(workflowId: string): Promise<void> {
    const number = ++this.#opened;
    const query = {
      status: ['queued', 'running', 'interrupted'] as ('queued' | 'running' | 'interrupted')[],
      limit: 200,
    };
    const params = { path: { workflow_id: workflowId }, query };
    const found = await call(api.GET('/api/workflows/{workflow_id}/executions', { params }));
    if (number !== this.#opened || get(rows).workflowId !== workflowId) return;
    this.#change(() => ({
      queue: found.filter((each) => each.status === 'queued'),
      running: found.find((each) => each.status === 'running') ?? null,
      interrupted: found.findLast((each) => each.status === 'interrupted') ?? null,
    }));
  }
}

export const messagesStore = new Messages();
export const messages = derived(shown, (now) => now.messages);
export const messagesLoading = derived(shown, (now) => now.messagesLoading);
export const messagesError = derived(shown, (now) => now.error);
export const queue = derived(shown, (now) => now.queue);
export const runningExecution = derived(shown, (now) => now.running);
export const interruptedExecution = derived(shown, (now) => now.interrupted);
export const lastExecution = derived(shown, (now) => now.last);
