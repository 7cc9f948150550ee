/** The page's fold of what a stream told comes to what the server's fold of the same log says. */
import { describe, expect, test } from 'vitest';
import { millis } from '$lib/format';
import type { WorkflowFullState } from '$types/workflow';
import { ofAgent, ofReasoning, ofState, ofTask, ofTool } from './activities';
import { folded, StreamFold, type StreamState } from './stream';
import { recordedLogs } from './testing/recorded';

const logs = recordedLogs();
const events = (log: (typeof logs)[number]) => log.chunks.map((each) => [each.event, each.data] as const);
const byId = <T extends { id: string }>(items: readonly T[]) =>
  [...items].sort((one, other) => (one.id < other.id ? -1 : 1));

function rows(state: WorkflowFullState) {
  return {
    content: state.messages.filter((each) => each.role === 'assistant').map((each) => each.content),
    tools: byId(state.tool_executions).map((each) => ({
      id: each.id,
      name: each.tool_name,
      success: each.success,
      error: each.error_message,
      duration: each.duration_ms,
      started: Math.round(millis(each.created_at)),
    })),
    thoughts: byId(state.thinking_steps).map((each) => ({
      id: each.id,
      number: each.step_number,
      content: each.content,
    })),
    agents: byId(state.sub_agent_executions).map((each) => ({
      id: each.id,
      agent_id: each.sub_agent_id,
      name: each.sub_agent_name,
      parent: each.parent_agent_id,
      task: each.task_description,
      status: each.status,
      duration: each.duration_ms,
      error: each.error_message,
      tokens: each.tokens_output,
      started: Math.round(millis(each.created_at)),
    })),
    tasks: byId(state.tasks).map((each) => ({
      id: each.id,
      name: each.name,
      status: each.status,
      priority: each.priority,
    })),
    status: state.executions.at(-1)?.status,
    failed: state.executions.at(-1)?.status === 'error' ? state.executions.at(-1)?.error : null,
  };
}

function told(stream: StreamState) {
  return {
    content: stream.content ? [stream.content] : [],
    tools: byId(stream.tools).map((each) => ({
      id: each.id,
      name: each.name,
      success: each.status === 'completed',
      error: each.error,
      duration: each.duration,
      started: Math.round(each.started),
    })),
    thoughts: byId(stream.reasoning).map((each) => ({
      id: each.id,
      number: each.number,
      content: each.content,
    })),
    agents: byId(stream.subAgents).map((each) => ({
      id: each.id,
      agent_id: each.agent_id,
      name: each.name,
      parent: each.parent,
      task: each.task,
      status: each.status,
      duration: each.duration,
      error: each.error,
      tokens: each.metrics?.tokens_output ?? 0,
      started: Math.round(each.started),
    })),
    tasks: byId(stream.tasks).map((each) => ({
      id: each.id,
      name: each.name,
      status: each.status,
      priority: each.priority,
    })),
    status: stream.status,
    failed: stream.status === 'error' ? stream.error : null,
  };
}

describe.each(logs)('$name', (log) => {
  const workflowId = log.state.workflow.id;
  const stream = folded(workflowId, events(log));

  test('the words, calls, thoughts, sub-agents and tasks are those of the rows', () => {
    expect(told(stream)).toEqual(rows(log.state));
  });

  test('nothing waits any more when the run is over', () => {
    expect(stream.waiting).toEqual([]);
  });

  test('the feed shows the same events while they happen and afterwards', () => {
    const shown = (all: ReturnType<typeof ofState>) =>
      byId(all)
        .filter((each) => each.type !== 'message' && each.type !== 'validation')
        .map(({ id, type, title, status }) => ({ id, type, title, status }));
    const { tools, reasoning, subAgents, tasks } = stream;
    const live = [tools.map(ofTool), reasoning.map(ofReasoning), subAgents.map(ofAgent), tasks.map(ofTask)];
    expect(shown(live.flat())).toEqual(shown(ofState(log.state)));
  });

  test('an event that comes again changes nothing', () => {
    const fold = new StreamFold(workflowId);
    for (const [name, data] of events(log)) {
      fold.take(name, data);
      expect(fold.take(name, data)).toBe(0);
    }
    expect(fold.state()).toEqual(stream);
  });

  test('a stream that was lost in the middle and replayed from the beginning comes to the same', () => {
    const half = Math.floor(log.chunks.length / 2);
    const seen = new StreamFold(workflowId);
    for (const [name, data] of events(log).slice(0, half)) seen.take(name, data);
    const replayed = folded(workflowId, events(log));
    expect(replayed).toEqual(stream);
    for (const [name, data] of events(log).slice(half)) seen.take(name, data);
    expect(seen.state()).toEqual(stream);
  });
});

test('there are enough of them', () => {
  expect(logs.length).toBeGreaterThanOrEqual(6);
});
