/** The agents that can be spoken to. */
import { derived, writable } from 'svelte/store';
import { api, call } from '$lib/api';
import { live } from '$lib/live/live';
import type { AgentSummary } from '$types/api';

const PAGE = 200;

export interface AgentsState {
  agents: readonly AgentSummary[];
  agentsLoading: boolean;
  error: unknown;
}

const state = writable<AgentsState>({ agents: [], agentsLoading: false, error: null });

class Agents {
  #loading: Promise<void> | null = null;
  subscribe = state.subscribe;

  constructor() {
    live.onReset(() => {
      if (this.#loaded) void this.load();
    });
  }

  #loaded = false;

  /** Loads them, once for all who ask meanwhile; what went wrong is in the state. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #load(): Promise<void> {
    this.#loaded = true;
    state.update((now) => ({ ...now, agentsLoading: true }));
    try {
      const found: AgentSummary[] = [];
      for (let total = 1; found.length < total;) {
        const query = { limit: PAGE, offset: found.length };
        const page = await call(api.GET('/api/agents', { params: { query } }));
        found.push(...page.items);
        total = page.items.length ? page.total : 0;
      }
      state.set({ agents: found, agentsLoading: false, error: null });
    } catch (error) {
      state.update((now) => ({ ...now, agentsLoading: false, error }));
    }
  }
}

export const agentsStore = new Agents();
export const agents = derived(state, (now) => now.agents);
export const agentsLoading = derived(state, (now) => now.agentsLoading);
