/** The eight commands of the seed. */
import { beforeEach, expect, test } from 'vitest';
import { agents, agentsLoading, agentsStore } from '$lib/stores/agents';
import { aState, aWorkflow, anExecution } from '$lib/stores/testing/rows';
import { FakeServer, paged, Refusal, settled } from '$lib/stores/testing/server';
import { get } from 'svelte/store';
import { WorkflowService } from './workflow.service';

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer({
    'POST /api/workflows/*/execute/stream': () => Response.json(anExecution('r'), { status: 202 }),
    'GET /api/workflows/*/executions/*/result': () => ({ response: 'Done.' }),
  });
});

test('there are eight', () => {
  const names = [
    'loadAll',
    'create',
    'rename',
    'delete',
    'executeStreaming',
    'cancel',
    'getFullState',
    'restoreState',
  ];
  expect(Object.keys(WorkflowService)).toEqual(names);
});

test('they ask what they say', async () => {
  server
    .on('GET /api/workflows', () => paged([aWorkflow('a')]))
    .on('POST /api/workflows', () => ({ id: 'n' }))
    .on('PATCH /api/workflows/*', () => aWorkflow('a', { name: 'Other' }))
    .on('DELETE /api/workflows/*', () => undefined)
    .on('POST /api/workflows/*/cancel', () => ({ cancelled: true }));
  expect((await WorkflowService.loadAll()).map((each) => each.id)).toEqual(['a']);
  expect(await WorkflowService.create('New', 'helper')).toBe('n');
  expect((await WorkflowService.rename('a', 'Other')).name).toBe('Other');
  await WorkflowService.delete('a');
  await WorkflowService.cancel('a');
  expect(server.asked.length).toBe(5);
});

test('a state is restored with what runs, waits and was interrupted', async () => {
  const open = [
    anExecution('i', { status: 'interrupted' }),
    anExecution('r', { status: 'running' }),
    anExecution('q'),
  ];
  server
    .on('GET /api/workflows/*/state', () => aState('w'))
    .on('GET /api/workflows/*/executions', () => open);
  const found = await WorkflowService.restoreState('w');
  expect([found.running?.run_id, found.interrupted?.run_id, found.queued.length]).toEqual(['r', 'i', 1]);
  expect(found.state.workflow.id).toBe('w');
});

test('a streamed execution comes to its result when the stream says that it is over', async () => {
  const result = WorkflowService.executeStreaming('w', 'Hi.', 'helper', 'fr');
  await settled();
  server.tell('workflow_complete', {
    workflow_id: 'w',
    run_id: 'other',
    seq: 1,
    ts: 1,
    status: 'error',
    error: null,
  });
  server.tell('workflow_complete', {
    workflow_id: 'w',
    run_id: 'r',
    seq: 1,
    ts: 1,
    status: 'completed',
    error: null,
  });
  expect(await result).toEqual({ response: 'Done.' });
  expect(server.bodies('POST /api/workflows/*/execute/stream')).toEqual([
    { message: 'Hi.', agent_id: 'helper', locale: 'fr' },
  ]);
});

test.each([
  ['workflow_complete', { seq: 1, ts: 1, status: 'error', error: 'it broke' }, 'it broke'],
  ['workflow_complete', { seq: 1, ts: 1, status: 'cancelled', error: null }, 'cancelled'],
  ['workflow_update', { status: 'withdrawn' }, 'cancelled'],
])('one that %s tells has no result says why', async (name, told, why) => {
  const result = WorkflowService.executeStreaming('w', 'Hi.', 'helper', 'en');
  const failed = expect(result).rejects.toThrow(why);
  await settled();
  server.tell(name, { workflow_id: 'w', run_id: 'r', ...told });
  await failed;
});

test('an end that was missed is asked for', async () => {
  let open = [anExecution('r', { status: 'running' })];
  server.on('GET /api/workflows/*/executions', () => open);
  const result = WorkflowService.executeStreaming('w', 'Hi.', 'helper', 'en');
  await settled();
  server.tell('stream_reset', {});
  await settled();
  open = [];
  server.tell('stream_reset', {});
  expect(await result).toEqual({ response: 'Done.' });
});

test('agents are loaded once for all who ask, and anew after a reset', async () => {
  server.on('GET /api/agents', () => paged([{ id: 'helper' }]));
  const both = [agentsStore.load(), agentsStore.load()];
  expect(get(agentsLoading)).toBe(true);
  await Promise.all(both);
  expect([get(agents).length, server.bodies('GET /api/agents').length]).toEqual([1, 1]);
  server.on('GET /api/agents', () => {
    throw new Refusal(503);
  });
  server.tell('stream_reset', {});
  await settled();
  expect(get(agentsStore)).toMatchObject({ agentsLoading: false, error: { status: 503 } });
});
