/** Figures of runs, tokens, the speed, and what a window has room for. */
import { expect, test } from 'vitest';
import { allowed } from '$lib/stores/panes.svelte';
import type { AgentDetails } from '$types/api';
import type { TraceSummary } from '$types/trace';
import type { Workflow } from '$types/workflow';
import { nameOf, shownFigures } from './figures';
import { requestOf } from './rounds';
import { levelOf, Speed, tokensOf } from './tokens';

const SUMMARY: TraceSummary = {
  wall_ms: 1000,
  work_ms: 1500,
  operations: 3,
  running: 0,
  failures: 1,
  parallelization_ratio: 0.5,
  speedup_factor: 1.5,
  critical_path: [],
  bottleneck: 'a/b',
  bottleneck_share: 0.7,
  tokens_input: 10,
  tokens_output: 5,
  cost: null,
  queue_ms: 40,
};

test('figures that say nothing are left out', () => {
  expect(shownFigures(SUMMARY)).toEqual({
    speedup: 1.5,
    parallel: 0.5,
    bottleneck: 'a/b',
    running: 0,
    failures: 1,
    queued: null,
    tokens: { input: 10, output: 5, cost: null },
  });
  const one = shownFigures({ ...SUMMARY, operations: 1, tokens_input: 0, tokens_output: 0, queue_ms: 400 });
  expect(one).toMatchObject({ speedup: null, parallel: null, bottleneck: null, tokens: null, queued: 400 });
});

test('the inner step of a call is called as the call, a model as its agent', () => {
  expect(nameOf('surveyor/tools#2/search_files/run')).toBe('search_files');
  expect(nameOf('surveyor/model#3')).toBe('surveyor · model');
  expect(nameOf('flow')).toBe('flow');
  expect(nameOf('flow/double#2')).toBe('double');
});

test('a context is high from 75 %, critical from 90 %, full from 100 %', () => {
  expect([0, 0.75, 0.9, 1, 1.2].map(levelOf)).toEqual(['calm', 'high', 'critical', 'full', 'full']);
});

test('the totals of a workflow never fall behind its run', () => {
  const workflow = {
    total_tokens_input: 4,
    total_tokens_output: 90,
    total_cost_usd: 0.2,
    current_context_tokens: 7,
  } as Workflow;
  const told = tokensOf(workflow, SUMMARY, { contextMax: 100, speed: 3, streaming: true });
  expect(told).toEqual({
    tokens_input: 10,
    tokens_output: 5,
    cumulative_input: 10,
    cumulative_output: 90,
    context_max: 100,
    context_used: 7,
    cost_usd: null,
    cumulative_cost_usd: 0.2,
    speed_tks: 3,
    is_streaming: true,
  });
  expect(tokensOf(workflow, null, { contextMax: null, speed: null, streaming: false }).tokens_input).toBe(0);
});

test('the speed is that of the last seconds, and begins anew with another run', () => {
  const speed = new Speed(1000);
  expect(speed.take(0, 0)).toBeNull();
  expect(speed.take(500, 10)).toBe(20);
  expect(speed.take(1000, 20)).toBe(20);
  expect(speed.take(2000, 20)).toBe(0);
  expect(speed.take(2100, 3)).toBeNull();
});

test('columns fold where a window has no room', () => {
  expect(allowed(1920, true)).toEqual({ narrow: false, left: true, right: true });
  expect(allowed(1440, true)).toEqual({ narrow: false, left: true, right: false });
  expect(allowed(1440, false)).toEqual({ narrow: false, left: true, right: true });
  expect(allowed(1024, true)).toEqual({ narrow: false, left: false, right: false });
  expect(allowed(600, false)).toMatchObject({ narrow: true });
});

test('an agent is described to the server as it was told, without what only the server says', () => {
  const details = {
    id: 'a',
    name: 'A',
    description: 'd',
    lifecycle: 'permanent',
    provider: 'offline',
    model: 'reader',
    llm: { model: null, temperature: 0.5, max_tokens: null, fallbacks: [] },
    tools: ['read_file'],
    mcp_servers: [],
    system_prompt: 'p',
    max_tool_iterations: 20,
    enable_thinking: true,
    plan_mode: false,
    history_limit: 50,
    context: 'trim',
    max_tool_output: 1000,
  } as unknown as AgentDetails;
  expect(requestOf(details)).toEqual({
    name: 'A',
    description: 'd',
    system_prompt: 'p',
    llm: { model: null, temperature: 0.5, max_tokens: null, fallbacks: [] },
    tools: ['read_file'],
    mcp_servers: [],
    max_tool_iterations: 20,
    enable_thinking: true,
    plan_mode: false,
    history_limit: 50,
    context: 'trim',
    max_tool_output: 1000,
  });
});
