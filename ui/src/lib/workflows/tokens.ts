/** What the token display tells: figures of the run and of its workflow, how full the context is, and the speed. */
import type { TraceSummary } from '$types/trace';
import type { TokenDisplayData, Workflow } from '$types/workflow';

export type ContextLevel = 'calm' | 'high' | 'critical' | 'full';

/** Returns how full a context is: from 75 % high, from 90 % critical, from 100 % full. */
export function levelOf(share: number): ContextLevel {
  return share >= 1 ? 'full' : share >= 0.9 ? 'critical' : share >= 0.75 ? 'high' : 'calm';
}

/** What a display needs besides the seed's data: how many tokens the last call of the model was sent. */
export interface Tokens extends TokenDisplayData {
  context_used: number;
}

/**
 * Returns the figures; the totals of the workflow are those that the server tells, and while a run of it goes on they
 * do not hold that run yet, so that it is added.
 */
export function tokensOf(
  workflow: Workflow,
  summary: TraceSummary | null,
  more: { contextMax: number | null; speed: number | null; streaming: boolean },
): Tokens {
  const [input, output] = [summary?.tokens_input ?? 0, summary?.tokens_output ?? 0];
  return {
    tokens_input: input,
    tokens_output: output,
    cumulative_input: Math.max(workflow.total_tokens_input, input),
    cumulative_output: Math.max(workflow.total_tokens_output, output),
    context_max: more.contextMax,
    context_used: workflow.current_context_tokens,
    cost_usd: summary ? summary.cost : null,
    cumulative_cost_usd: workflow.total_cost_usd,
    speed_tks: more.speed,
    is_streaming: more.streaming,
  };
}

/** Measures tokens per second over the last seconds, from how many there were at which time. */
export class Speed {
  #seen: { at: number; tokens: number }[] = [];

  constructor(private readonly span = 3000) {}

  /** Takes how many tokens there are at a time (milliseconds), and returns the speed; null until it can be told. */
  take(at: number, tokens: number): number | null {
    const last = this.#seen.at(-1);
    if (last && tokens < last.tokens) this.#seen = [];
    this.#seen.push({ at, tokens });
    while (this.#seen.length > 2 && (this.#seen[1]?.at ?? at) <= at - this.span) this.#seen.shift();
    const first = this.#seen[0];
    if (!first || at - first.at < 250) return null;
    return ((tokens - first.tokens) * 1000) / (at - first.at);
  }
}
