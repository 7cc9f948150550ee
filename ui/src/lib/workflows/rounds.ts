/** How often an agent may call tools in one answer: it is read from the agent, and kept with it. */
import { api, call } from '$lib/api';
import type { AgentDetails, AgentRequest } from '$types/api';

/** Returns what the server takes to describe an agent as it is. */
export function requestOf(agent: AgentDetails): AgentRequest {
  const { model, temperature, max_tokens, fallbacks } = agent.llm;
  return {
    name: agent.name,
    description: agent.description,
    system_prompt: agent.system_prompt,
    llm: { model, temperature, max_tokens, fallbacks },
    tools: agent.tools,
    mcp_servers: agent.mcp_servers,
    max_tool_iterations: agent.max_tool_iterations,
    enable_thinking: agent.enable_thinking,
    plan_mode: agent.plan_mode,
    history_limit: agent.history_limit,
    context: agent.context,
    max_tool_output: agent.max_tool_output,
  };
}

/** Reads how many rounds an agent has. */
export async function roundsOf(agentId: string): Promise<number> {
  return (await details(agentId)).max_tool_iterations;
}

/** Gives an agent another number of rounds; all else stays as it is now. */
export async function saveRounds(agentId: string, count: number): Promise<number> {
  const body = { ...requestOf(await details(agentId)), max_tool_iterations: count };
  const params = { path: { agent_id: agentId } };
  return (await call(api.PUT('/api/agents/{agent_id}', { params, body }))).max_tool_iterations;
}

function details(agentId: string): Promise<AgentDetails> {
  return call(api.GET('/api/agents/{agent_id}', { params: { path: { agent_id: agentId } } }));
}
