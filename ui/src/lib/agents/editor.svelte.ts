/** One agent as it is edited: what the server says, what was typed, and what is done with both. */
import { api, call } from '$lib/api';
import { isWrong } from '$lib/forms/checks';
import { agentsStore } from '$lib/stores/agents';
import type { AgentDetails } from '$types/api';
import { complaintsOf, draftOf, requestOf, same, type AgentDraft } from './draft';

const NEW = '';
/** What was typed and not saved, by the agent's id, while the page lives: looking elsewhere loses nothing. */
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing that is shown depends on it
const unsaved = new Map<string, AgentDraft>();

export class AgentEditor {
  agent = $state.raw<AgentDetails | null>(null);
  draft = $state<AgentDraft>(draftOf());
  loading = $state(true);
  /** Why it could not be loaded. */
  error = $state.raw<unknown>(null);
  /** Why it could not be saved. */
  refusal = $state.raw<unknown>(null);
  saving = $state(false);
  /** Whether somebody wanted to save: from then on empty fields are told. */
  tried = $state(false);
  #first = $state.raw<AgentDraft>(draftOf());

  readonly complaints = $derived(complaintsOf(this.draft));
  readonly wrong = $derived(Object.values(this.complaints).filter(Boolean).length);
  readonly dirty = $derived(!same(this.draft, this.#first));

  /** `id` is null for an agent that is new. */
  constructor(readonly id: string | null) {
    if (id !== null) void this.load();
    else this.#show(draftOf());
  }

  async load(): Promise<void> {
    if (this.id === null) return;
    this.loading = true;
    this.error = null;
    try {
      const agent = await call(api.GET('/api/agents/{agent_id}', this.#place(this.id)));
      this.agent = agent;
      this.#show(draftOf(agent));
    } catch (error) {
      this.error = error;
      this.#show(draftOf());
    }
  }

  #show(first: AgentDraft): void {
    this.#first = first;
    this.draft = unsaved.get(this.id ?? NEW) ?? structuredClone(first);
    this.loading = false;
  }

  #place(agent_id: string): { params: { path: { agent_id: string } } } {
    return { params: { path: { agent_id } } };
  }

  /** Keeps what was typed for when one comes back; to be called when the form goes. */
  leave(): void {
    if (this.dirty && !this.loading) unsaved.set(this.id ?? NEW, $state.snapshot(this.draft));
    else if (!this.loading) unsaved.delete(this.id ?? NEW);
  }

  discard(): void {
    this.draft = structuredClone(this.#first);
    this.refusal = null;
    this.tried = false;
  }

  /** Saves it and returns what the server has now; null when something is wrong, which is told at the fields. */
  async save(): Promise<AgentDetails | null> {
    this.tried = true;
    if (isWrong(this.complaints) || this.saving) return null;
    this.saving = true;
    this.refusal = null;
    const [body, id] = [requestOf(this.draft), this.draft.id.trim()];
    try {
      const kept =
        this.id === null
          ? await call(api.POST('/api/agents', { body: id ? { ...body, id } : body }))
          : await call(api.PUT('/api/agents/{agent_id}', { ...this.#place(this.id), body }));
      unsaved.delete(this.id ?? NEW);
      this.agent = kept;
      this.error = null;
      this.tried = false;
      this.#first = draftOf(kept);
      this.draft = draftOf(kept);
      void agentsStore.load();
      return kept;
    } catch (refusal) {
      this.refusal = refusal;
      return null;
    } finally {
      this.saving = false;
    }
  }
}
