/** What waits for a person in all workflows: calls to allow, and questions to answer. */
import { derived, get, writable } from 'svelte/store';
import { api, ApiError, call } from '$lib/api';
import { live } from '$lib/live/live';
import type { AllApproved } from '$types/api';
import type { StreamChunk, ValidationRequired } from '$types/streaming';
import type { QuestionRow, ValidationRequest } from '$types/validation';

/** How many that wait are asked for; beyond that, people are told the number. */
const MOST = 200;
/** By whom a decision is said to be made. */
const BY = 'page';
/** Rows are written a moment after the stream tells of them (milliseconds). */
const SOON = 400;

export interface ValidationsState {
  /** Oldest first: they wait longest. */
  pending: readonly ValidationRequest[];
  questions: readonly QuestionRow[];
  /** How many of both wait. */
  count: number;
  /** How many of them are not in the lists, which are bounded. */
  beyond: number;
  loading: boolean;
  /** Whether the lists were loaded once. */
  loaded: boolean;
  error: unknown;
}

const NOTHING: ValidationsState = {
  pending: [],
  questions: [],
  count: 0,
  beyond: 0,
  loading: false,
  loaded: false,
  error: null,
};
const state = writable<ValidationsState>(NOTHING);

/** An answer: ids of options, a text, or both; `value` for a question of a program. */
export interface Answer {
  selected?: string[];
  text?: string;
  value?: unknown;
  reason?: string;
}

class Validations {
  #asked = 0;
  #started = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What was decided, until a list holds it no more: rows are written a moment later. */
  #decided = new Set<string>();
  /** What was told, until a list holds it or it is decided. */
  #told = new Set<string>();
  subscribe = state.subscribe;

  /** Begins to listen, once, and loads what waits. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    live.on('validation_required', (told) => this.#required(told));
    live.on('validation_response', (told) => this.#gone(told.validation_id));
    live.on('workflow_stream', (told) => this.#chunk(told));
    live.on('workflow_complete', (told) => this.#over((each) => each.run_id === told.run_id));
    live.on('workflow_update', (told) => {
      if (told.status === 'deleted') this.#over((each) => each.workflow_id === told.workflow_id);
    });
    live.onReset(() => {
      this.#decided.clear();
      this.#told.clear();
      void this.load();
    });
    void this.load();
  }

  /** Loads what waits; what went wrong is in the state. */
  async load(): Promise<void> {
    const asked = ++this.#asked;
    state.update((now) => ({ ...now, loading: true }));
    const decided = [...this.#decided];
    try {
      await live.ready;
      const query = { status: ['pending'] as ['pending'], limit: MOST };
      const [calls, questions] = await Promise.all([
        call(api.GET('/api/validations', { params: { query } })),
        call(api.GET('/api/questions', { params: { query } })),
      ]);
      if (asked !== this.#asked) return;
      const now = get(state);
      // what was told while the list was on its way may not be in it
      const open = <T extends { id: string }>(items: T[], before: readonly T[]) => [
        ...items.filter((each) => !this.#decided.has(each.id)).reverse(),
        ...before.filter((each) => this.#told.has(each.id) && !items.some((item) => item.id === each.id)),
      ];
      const pending = open(calls.items, now.pending);
      const asks = open(questions.items, now.questions);
      const found = new Set([...calls.items, ...questions.items].map((each) => each.id));
      for (const id of decided) if (!found.has(id)) this.#decided.delete(id);
      for (const id of found) this.#told.delete(id);
      const beyond = calls.total + questions.total - calls.items.length - questions.items.length;
      const more = { beyond, loading: false, loaded: true, error: null };
      this.#set(pending, asks, more);
    } catch (error) {
      if (asked === this.#asked) state.update((now) => ({ ...now, loading: false, error }));
    }
  }

  /** Allows a call, with other arguments where they are given; `all` allows all like it in its run. */
  async approve(
    id: string,
    options: { arguments?: Record<string, unknown>; reason?: string; all?: boolean } = {},
  ): Promise<void> {
    const body = {
      all: options.all ?? false,
      reason: options.reason ?? '',
      by: BY,
      ...(options.arguments && { arguments: options.arguments as never }),
    };
    await this.#say(id, () =>
      api.POST('/api/validations/{validation_id}/approve', { params: { path: { validation_id: id } }, body }),
    );
  }

  /** Refuses a call; its agent is told the reason. */
  async reject(id: string, reason: string): Promise<void> {
    const body = { reason, by: BY };
    await this.#say(id, () =>
      api.POST('/api/validations/{validation_id}/reject', { params: { path: { validation_id: id } }, body }),
    );
  }

  /** Allows all calls that wait, of one workflow or of all; returns which, and which must be decided one by one. */
  async approveAll(workflowId?: string): Promise<AllApproved> {
    const body = { by: BY, reason: '', workflow_id: workflowId ?? null };
    const done = await call(api.POST('/api/validations/approve_all', { body }));
    for (const id of done.approved) this.#gone(id);
    this.#later();
    return done;
  }

  /** Answers a question. */
  async answer(id: string, answer: Answer): Promise<void> {
    const body = {
      selected: answer.selected ?? [],
      text: answer.text ?? '',
      reason: answer.reason ?? '',
      by: BY,
      ...(answer.value !== undefined && { value: answer.value as never }),
    };
    await this.#say(id, () =>
      api.POST('/api/questions/{question_id}/answer', { params: { path: { question_id: id } }, body }),
    );
  }

  /** Leaves a question without an answer. */
  async skip(id: string, reason = ''): Promise<void> {
    await this.#say(id, () =>
      api.POST('/api/questions/{question_id}/skip', {
        params: { path: { question_id: id } },
        body: { reason, by: BY },
      }),
    );
  }

  reset(): void {
    this.#asked++;
    clearTimeout(this.#timer);
    this.#decided.clear();
    this.#told.clear();
    state.set(NOTHING);
  }

  /** Says something about a request; one that others have decided, or that is gone, waits no more. */
  async #say(
    id: string,
    how: () => Promise<{ data?: unknown; error?: unknown; response: Response }>,
  ): Promise<void> {
    try {
      await call(how());
      this.#gone(id);
    } catch (error) {
      if (error instanceof ApiError && (error.status === 409 || error.status === 404)) void this.load();
      throw error;
    }
  }

  #set(
    pending: readonly ValidationRequest[],
    questions: readonly QuestionRow[],
    more: Partial<ValidationsState> = {},
  ): void {
    state.update((now) => ({
      ...now,
      pending,
      questions,
      count: pending.length + questions.length + (more.beyond ?? now.beyond),
      ...more,
    }));
  }

  #gone(id: string): void {
    this.#decided.add(id);
    this.#told.delete(id);
    this.#over((each) => each.id === id);
  }

  #over(is: (each: { id: string; run_id: string; workflow_id: string }) => boolean): void {
    const now = get(state);
    const pending = now.pending.filter((each) => !is(each));
    const questions = now.questions.filter((each) => !is(each));
    if (pending.length + questions.length === now.pending.length + now.questions.length) return;
    this.#set(pending, questions);
    if (now.beyond > 0) this.#later(); // there is room for others
  }

  #required(told: ValidationRequired): void {
    this.#told.add(told.validation_id);
    this.#decided.delete(told.validation_id); // an edit that does not fit is asked about again
    const now = get(state);
    const pending = now.pending.filter((each) => each.id !== told.validation_id);
    this.#set([...pending, rowOfValidation(told)], now.questions);
    this.#later();
  }

  #chunk(told: StreamChunk): void {
    const id = told.question_id;
    if (!id) return;
    if (told.chunk_type === 'user_question_complete') this.#gone(id);
    else if (told.chunk_type === 'user_question_start') {
      this.#told.add(id);
      this.#decided.delete(id);
      const now = get(state);
      const questions = now.questions.filter((each) => each.id !== id);
      this.#set(now.pending, [...questions, rowOfQuestion(told)]);
      this.#later();
    }
  }

  /** Loads the rows in a moment: they hold what the stream does not tell, as whether a question has a time limit. */
  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.load(), SOON);
  }
}

function rowOfValidation(told: ValidationRequired): ValidationRequest {
  return {
    id: told.validation_id,
    workflow_id: told.workflow_id,
    run_id: told.run_id,
    message_id: '',
    path: told.path,
    request_id: told.request_id,
    agent_id: told.sub_agent_id ?? '',
    type: told.operation_type,
    operation_type: told.operation_type,
    operation: told.operation,
    tool_name: '',
    risk_level: told.risk_level,
    status: 'pending',
    details: told.details ?? null,
    arguments: told.arguments ?? null,
    choices: told.choices,
    reason: told.reason ?? '',
    default: told.default ?? null,
    expires_at: told.expires_at ? new Date(told.expires_at * 1000).toISOString() : null,
    choice: null,
    decided_by: null,
    decision_reason: null,
    edited: false,
    escalated: false,
    created_at: new Date(told.ts * 1000).toISOString(),
    answered_at: null,
  };
}

function rowOfQuestion(told: StreamChunk): QuestionRow {
  const asked = told.user_question;
  return {
    id: told.question_id ?? '',
    workflow_id: told.workflow_id,
    run_id: told.run_id,
    message_id: '',
    path: told.path,
    request_id: told.request_id ?? '',
    agent_id: told.sub_agent_id ?? '',
    topic: 'question',
    question: asked?.question ?? told.content ?? '',
    question_type: asked?.question_type ?? 'text',
    options: asked?.options ?? [],
    text_placeholder: asked?.text_placeholder ?? '',
    text_required: asked?.text_required ?? false,
    context: asked?.context ?? '',
    choices: [],
    details: null,
    status: 'pending',
    default: null,
    expires_at: null,
    choice: null,
    selected_options: [],
    text_response: null,
    answered_by: null,
    answer_reason: null,
    created_at: new Date(told.ts * 1000).toISOString(),
    answered_at: null,
  };
}

export const validationStore = new Validations();
export const pendingValidations = derived(state, (now) => now.pending);
export const pendingQuestions = derived(state, (now) => now.questions);
export const waitingCount = derived(state, (now) => now.count);

/** Returns what waits longest; null when nothing does. */
export function oldestWaiting(): { id: string; kind: 'call' | 'question' } | null {
  const { pending, questions } = get(state);
  const [call, question] = [pending[0], questions[0]];
  if (call && (!question || Date.parse(call.created_at) <= Date.parse(question.created_at)))
    return { id: call.id, kind: 'call' };
  return question ? { id: question.id, kind: 'question' } : null;
}
