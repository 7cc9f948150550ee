/** What is typed of an agent is checked with the server's limits and written as its request. */
import { expect, test } from 'vitest';
import { ApiError } from '$lib/api';
import { isWrong, refusalOf } from '$lib/forms/checks';
import type { AgentDetails } from '$types/api';
import { complaintsOf, draftOf, requestOf, same } from './draft';

const AGENT: AgentDetails = {
  id: 'reader',
  name: 'Reader',
  description: 'Reads.',
  lifecycle: 'permanent',
  provider: 'offline',
  model: 'reader',
  tools_count: 1,
  mcp_servers_count: 1,
  origin: 'stored',
  where: '',
  changeable: true,
  problems: [],
  llm: { model: null, temperature: 0.5, max_tokens: null, fallbacks: ['offline:a', 'offline:b'] },
  tools: ['read_file'],
  mcp_servers: ['files'],
  system_prompt: 'Read.',
  max_tool_iterations: 7,
  enable_thinking: false,
  plan_mode: true,
  history_limit: 9,
  context: 'trim',
  max_tool_output: 1000,
  created_at: null,
  updated_at: null,
};

function wrongAt(changes: Partial<ReturnType<typeof draftOf>>): string[] {
  const found = complaintsOf({ ...draftOf(AGENT), ...changes });
  return Object.entries(found)
    .filter(([, complaint]) => complaint)
    .map(([field, complaint]) => `${field} ${complaint?.rule}`);
}

test('an agent goes through its form unchanged', () => {
  const { name, description, llm, tools, mcp_servers, system_prompt } = AGENT;
  const { max_tool_iterations, enable_thinking, plan_mode, history_limit, context, max_tool_output } = AGENT;
  expect(requestOf(draftOf(AGENT))).toEqual({
    ...{ name, description, llm, tools, mcp_servers, system_prompt },
    ...{ max_tool_iterations, enable_thinking, plan_mode, history_limit, context, max_tool_output },
  });
});

test('a new agent lacks a name alone', () => {
  const draft = draftOf();
  expect(complaintsOf(draft).name).toEqual({ rule: 'required' });
  expect(isWrong(complaintsOf({ ...draft, name: 'New' }))).toBe(false);
  expect(requestOf({ ...draft, name: ' New ' })).toMatchObject({ name: 'New', llm: { model: null } });
});

test('limits are those of the server, in characters and not in halves of them', () => {
  expect(wrongAt({ name: '😀'.repeat(64) })).toEqual([]);
  expect(wrongAt({ name: '😀'.repeat(65) })).toEqual(['name longer']);
  expect(wrongAt({ name: 'a\tb' })).toEqual(['name control']);
  expect(wrongAt({ name: '   ' })).toEqual(['name required']);
  expect(wrongAt({ description: 'x'.repeat(1001) })).toEqual(['description longer']);
  expect(wrongAt({ system_prompt: '' })).toEqual(['system_prompt required']);
  expect(wrongAt({ model: 'gpt' })).toEqual(['llm.model model']);
  expect(wrongAt({ temperature: '2,1' })).toEqual(['llm.temperature between']);
  expect(wrongAt({ max_tokens: '255' })).toEqual(['llm.max_tokens between']);
  expect(wrongAt({ fallbacks: 'offline:a\nb' })).toEqual(['llm.fallbacks model']);
  expect(wrongAt({ fallbacks: 'a:b\n'.repeat(11) })).toEqual(['llm.fallbacks atMost']);
  expect(wrongAt({ max_tool_iterations: '', history_limit: '1.5', max_tool_output: '99' })).toEqual([
    'max_tool_iterations required',
    'history_limit notWhole',
    'max_tool_output between',
  ]);
});

test('the order in which tools were chosen is no change', () => {
  const one = { ...draftOf(AGENT), tools: ['a', 'b'] };
  expect(same(one, { ...one, tools: ['b', 'a'] })).toBe(true);
  expect(same(one, { ...one, name: 'Other' })).toBe(false);
});

test('what the server refuses is told at its field, within lists and kinds too', () => {
  const error = new ApiError(422, 'invalid', 'No.', [
    { field: 'body.llm.fallbacks.0', rule: 'String should match' } as never,
    { field: 'body.stdio.command', rule: 'Too short' } as never,
  ]);
  expect(refusalOf(error, 'llm.fallbacks')).toBe('String should match');
  expect(refusalOf(error, 'command')).toBe('Too short');
  expect(refusalOf(error, 'name')).toBeUndefined();
  expect(refusalOf(new ApiError(409, 'taken', 'The name is taken.'), 'name')).toBe('The name is taken.');
});
