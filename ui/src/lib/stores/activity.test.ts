/** What happened, and what happens now, as one list; a word costs nothing however long the list is. */
import { beforeEach, expect, test } from 'vitest';
import { get } from 'svelte/store';
import { recordedLogs } from '$lib/folds/testing/recorded';
import type { ToolExecution } from '$types/workflow';
import * as all from './activity';
import { backgroundWorkflowsStore } from './background';
import { streamingStore } from './streaming';
import { aChunk, aState } from './testing/rows';
import { FakeServer, settled } from './testing/server';

const { activityStore: store } = all;
const recorded = recordedLogs().find((each) => each.name === 'sub_agents') ?? recordedLogs()[0];
let server: FakeServer;

function called(number: number): ToolExecution {
  return {
    id: `old:helper/read#${number}`,
    workflow_id: 'w',
    run_id: 'old',
    message_id: 'm',
    agent_id: 'helper',
    path: `helper/read#${number}`,
    tool_type: 'local',
    tool_name: 'read',
    server_name: null,
    input_params: { number },
    output_result: 'text',
    success: number % 10 !== 0,
    error_message: null,
    duration_ms: 5,
    iteration: 1,
    created_at: new Date(1_700_000_000_000 + number * 1000).toISOString(),
  };
}

const state = (count: number, limit = count) =>
  aState('w', {
    tool_executions: Array.from({ length: count }, (_, number) => called(number)).slice(-limit),
    totals: { tool_executions: count },
  });

beforeEach(async () => {
  server = new FakeServer({
    'GET /api/queue': () => [],
    'GET /api/workflows/*/state': (_, url) => state(300, Number(url.searchParams.get('limit') ?? 300)),
  });
  backgroundWorkflowsStore.reset();
  store.reset();
  await streamingStore.attach('w');
});

test('the last things are shown first, and then everything', async () => {
  const seen: number[] = [];
  const stop = all.historicalActivities.subscribe(
    (now) => void (seen.at(-1) !== now.length && seen.push(now.length)),
  );
  const loaded = store.loadHistorical('w');
  expect(get(all.activitiesLoading)).toBe(true);
  await loaded;
  stop();
  expect(seen).toEqual([0, 200, 300]);
  expect(get(all.activitiesLoading)).toBe(false);
  expect(get(store)).toMatchObject({ filter: 'all', loading: false });
});

test('what happens now stands behind what happened, one event for a call and its end', async () => {
  await store.loadHistorical('w');
  streamingStore.take(
    'workflow_stream',
    aChunk(1, 'tool_start', { tool: 'write', path: 'helper/write', call_id: 'c' }),
  );
  streamingStore.flushSync();
  expect(get(all.allActivities).at(-1)).toMatchObject({
    type: 'tool_start',
    status: 'running',
    title: 'write',
  });
  streamingStore.take(
    'workflow_stream',
    aChunk(2, 'tool_end', { tool: 'write', path: 'helper/write', outcome: 'success', duration: 9 }),
  );
  streamingStore.flushSync();
  expect(get(all.allActivities).at(-1)).toMatchObject({
    type: 'tool_complete',
    status: 'completed',
    duration: 9,
  });
  expect(get(all.allActivities).length).toBe(301);
  store.captureStreamingActivities();
  backgroundWorkflowsStore.forget('w');
  streamingStore.flushSync();
  expect(get(all.allActivities).length).toBe(301);
});

test('the rows that tell an execution take the place of what was captured', async () => {
  await store.loadHistorical('w');
  const row = { ...called(299), error_message: 'later', success: false };
  store.ended(aState('w', { tool_executions: [row] }));
  expect(get(all.allActivities).length).toBe(300);
  expect(get(all.allActivities).at(-1)).toMatchObject({ status: 'error', description: 'later' });
  store.ended(aState('another', { tool_executions: [called(900)] }));
  expect(get(all.allActivities).length).toBe(300);
});

test('chips count and filter', async () => {
  if (!recorded) throw new Error('there is no recorded log');
  server.on('GET /api/workflows/*/state', () => recorded.state);
  await store.loadHistorical(recorded.state.workflow.id);
  const counts = get(all.activityCounts);
  for (const filter of ['all', 'tools', 'agents', 'reasoning', 'todos'] as const) {
    store.setFilter(filter);
    expect(get(all.activityFilter)).toBe(filter);
    expect(get(all.filteredActivities).length).toBe(counts[filter]);
  }
  expect(counts).toMatchObject({ tools: 7, agents: 3, reasoning: 1 });
});

test('a word costs the same with 10,000 past events as with none, and wakes nobody who shows events', async () => {
  const taken: Record<number, number> = {};
  for (const past of [0, 10_000]) {
    server.on('GET /api/workflows/*/state', () => state(past));
    store.reset();
    await store.loadHistorical('w');
    backgroundWorkflowsStore.forget('w');
    streamingStore.take('workflow_stream', aChunk(1, 'token', { content: 'a' }));
    streamingStore.flushSync();
    let woken = 0;
    const stop = all.filteredActivities.subscribe(() => woken++);
    const began = performance.now();
    for (let seq = 2; seq < 5_002; seq++) {
      streamingStore.take('workflow_stream', aChunk(seq, 'token', { content: 'word ' }));
      if (seq % 10 === 0) streamingStore.flushSync();
    }
    taken[past] = (performance.now() - began) / 5_000;
    stop();
    expect(woken).toBe(1);
  }
  process.stdout.write(
    `a word: ${taken[0]?.toFixed(4)} ms, with 10,000 past events ${taken[10_000]?.toFixed(4)} ms\n`,
  );
  expect(taken[10_000]).toBeLessThan(1);
});

test('rows that were asked for before an execution ended do not take the place of those after it', async () => {
  let answer: (found: unknown) => void = () => {};
  server.on('GET /api/workflows/*/state', () => new Promise((done) => (answer = done)));
  const loading = store.loadHistorical('w');
  await settled();
  server.on('GET /api/workflows/*/state', () => state(3));
  server.tell('workflow_complete', { workflow_id: 'w', run_id: 'old', seq: 1, ts: 1, status: 'completed' });
  store.ended(state(3));
  answer(state(1));
  await loading;
  await settled();
  expect([get(all.historicalActivities).length, get(all.activitiesLoading)]).toEqual([3, false]);
});
