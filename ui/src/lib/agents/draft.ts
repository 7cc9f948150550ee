/** An agent as it stands in its form: read from the server, checked with the server's limits, and written as a request. */
import { checkName, checkNumber, checkText, linesOf, numberOf, type Complaints } from '$lib/forms/checks';
import { written } from '$lib/settings/values';
import type { AgentDetails, AgentRequest } from '$types/api';

export const LIMITS = {
  name: 64,
  description: 1000,
  system_prompt: 10_000,
  model: 193,
  fallbacks: 10,
  tools: 100,
  temperature: { min: 0, max: 2 },
  max_tokens: { min: 256, max: 128_000, whole: true },
  max_tool_iterations: { min: 1, max: 200, whole: true },
  history_limit: { min: 1, max: 1000, whole: true },
  max_tool_output: { min: 100, max: 10_000_000, whole: true },
} as const;

export interface AgentDraft {
  /** Only of a new one, and only where somebody wants to say it. */
  id: string;
  name: string;
  description: string;
  system_prompt: string;
  /** Empty is the model of the settings. */
  model: string;
  temperature: string;
  max_tokens: string;
  /** One per line, in the order in which they are asked. */
  fallbacks: string;
  tools: string[];
  mcp_servers: string[];
  max_tool_iterations: string;
  history_limit: string;
  max_tool_output: string;
  context: 'summarise' | 'trim';
  enable_thinking: boolean;
  plan_mode: boolean;
}

/** Returns the form of an agent; without one that of a new agent, with the server's defaults. */
export function draftOf(agent?: AgentDetails): AgentDraft {
  return {
    id: '',
    name: agent?.name ?? '',
    description: agent?.description ?? '',
    system_prompt: agent?.system_prompt ?? 'You are a helpful assistant.',
    model: agent?.llm.model ?? '',
    temperature: written(agent?.llm.temperature),
    max_tokens: written(agent?.llm.max_tokens),
    fallbacks: (agent?.llm.fallbacks ?? []).join('\n'),
    tools: [...(agent?.tools ?? [])],
    mcp_servers: [...(agent?.mcp_servers ?? [])],
    max_tool_iterations: written(agent?.max_tool_iterations ?? 50),
    history_limit: written(agent?.history_limit ?? 50),
    max_tool_output: written(agent?.max_tool_output ?? 50_000),
    context: agent?.context ?? 'summarise',
    enable_thinking: agent?.enable_thinking ?? true,
    plan_mode: agent?.plan_mode ?? false,
  };
}

/** Says whether two forms say the same. */
export function same(one: AgentDraft, other: AgentDraft): boolean {
  return JSON.stringify(normal(one)) === JSON.stringify(normal(other));
}

function normal(draft: AgentDraft): AgentDraft {
  return { ...draft, tools: draft.tools.toSorted(), mcp_servers: draft.mcp_servers.toSorted() };
}

/** Says whether a text can name a model. */
export function isModel(text: string): boolean {
  return text.length <= LIMITS.model && /^[^:\s]+:\S+$/.test(text);
}

/** Returns what the server would refuse, by the fields of the request. */
export function complaintsOf(draft: AgentDraft): Complaints {
  const fallbacks = linesOf(draft.fallbacks);
  const strange = fallbacks.find((each) => !isModel(each));
  const model = draft.model.trim();
  return {
    id: draft.id && !/^[\p{L}\p{N}_-]{1,128}$/u.test(draft.id) ? { rule: 'id' } : undefined,
    name: checkName(draft.name, LIMITS.name),
    description: checkText(draft.description, LIMITS.description),
    system_prompt: checkText(draft.system_prompt, LIMITS.system_prompt, true),
    'llm.model': model && !isModel(model) ? { rule: 'model' } : undefined,
    'llm.temperature': checkNumber(draft.temperature, LIMITS.temperature),
    'llm.max_tokens': checkNumber(draft.max_tokens, LIMITS.max_tokens),
    'llm.fallbacks':
      fallbacks.length > LIMITS.fallbacks
        ? { rule: 'atMost', most: LIMITS.fallbacks }
        : strange !== undefined
          ? { rule: 'model' }
          : undefined,
    tools: draft.tools.length > LIMITS.tools ? { rule: 'atMost', most: LIMITS.tools } : undefined,
    mcp_servers: draft.mcp_servers.length > LIMITS.tools ? { rule: 'atMost', most: LIMITS.tools } : undefined,
    max_tool_iterations: checkNumber(draft.max_tool_iterations, LIMITS.max_tool_iterations, true),
    history_limit: checkNumber(draft.history_limit, LIMITS.history_limit, true),
    max_tool_output: checkNumber(draft.max_tool_output, LIMITS.max_tool_output, true),
  };
}

/** Returns what is sent; only for a form that nothing is wrong with. */
export function requestOf(draft: AgentDraft): AgentRequest {
  return {
    name: draft.name.trim(),
    description: draft.description,
    llm: {
      model: draft.model.trim() || null,
      temperature: numberOf(draft.temperature),
      max_tokens: numberOf(draft.max_tokens),
      fallbacks: linesOf(draft.fallbacks),
    },
    tools: draft.tools,
    mcp_servers: draft.mcp_servers,
    system_prompt: draft.system_prompt,
    max_tool_iterations: numberOf(draft.max_tool_iterations) ?? 50,
    enable_thinking: draft.enable_thinking,
    plan_mode: draft.plan_mode,
    history_limit: numberOf(draft.history_limit) ?? 50,
    context: draft.context,
    max_tool_output: numberOf(draft.max_tool_output) ?? 50_000,
  };
}
