/** The conversation that is looked at, and what waits in it. */
import { beforeEach, expect, test } from 'vitest';
import { get } from 'svelte/store';
import * as all from './messages';
import { aMessage, anExecution, aState } from './testing/rows';
import { FakeServer, Refusal, settled } from './testing/server';

const { messagesStore: store } = all;
const contents = () => get(all.messages).map((each) => each.content);
let server: FakeServer;
let open: ReturnType<typeof anExecution>[];
const rows = [aMessage('q1', 'user', 'r1'), aMessage('a1', 'assistant', 'r1')];

beforeEach(async () => {
  open = [];
  server = new FakeServer({
    'GET /api/workflows/*/state': () => aState('w', { messages: rows }),
    'GET /api/workflows/*/executions': () => open,
  });
  store.reset();
  store.start();
});

test('what was said is loaded, the last of it first', async () => {
  server.on('GET /api/workflows/*/state', (_, url) =>
    url.searchParams.has('limit')
      ? aState('w', { messages: rows.slice(1), totals: { messages: 2 } })
      : aState('w', { messages: rows, totals: { messages: 2 } }),
  );
  const loaded = store.load('w');
  expect(get(all.messagesLoading)).toBe(true);
  await loaded;
  expect(contents()).toEqual(['q1', 'a1']);
  expect(server.bodies('GET /api/workflows/*/state').length).toBe(2);
  await store.load(null);
  expect([contents(), get(store).workflowId]).toEqual([[], null]);
});

test('what cannot be loaded is told', async () => {
  server.on('GET /api/workflows/*/state', () => {
    throw new Refusal(404, 'not_found');
  });
  await store.load('w');
  expect([get(all.messagesLoading), get(all.messagesError)]).toMatchObject([false, { status: 404 }]);
});

test('what is being answered shows its question, not the part of the answer that is written already', async () => {
  open = [anExecution('r2', { status: 'running', message: 'How?' })];
  server.on('GET /api/workflows/*/state', () =>
    aState('w', { messages: [...rows, aMessage('a part', 'assistant', 'r2')] }),
  );
  await store.load('w');
  expect(contents()).toEqual(['q1', 'a1', 'How?']);
  expect(get(all.runningExecution)?.run_id).toBe('r2');
  const later = [aMessage('How?', 'user', 'r2'), aMessage('So.', 'assistant', 'r2')];
  store.ended('r2', aState('w', { messages: later }));
  expect(contents()).toEqual(['q1', 'a1', 'How?', 'So.']);
  store.ended('r2', aState('another', { messages: [] }));
  expect(contents().length).toBe(4);
});

test('a message is sent, waits, runs and was interrupted', async () => {
  await store.load('w');
  server.on('POST /api/workflows/*/execute/stream', (body) => {
    expect(body).toEqual({ message: 'Hi.', locale: 'en', agent_id: 'other' });
    open = [anExecution('r2', { message: 'Hi.' })];
    return Response.json(open[0], { status: 202 });
  });
  await store.send('Hi.', { agentId: 'other' });
  expect(get(all.queue).map((each) => each.message)).toEqual(['Hi.']);
  open = [anExecution('r2', { message: 'Hi.', status: 'running' })];
  server.tell('workflow_update', { workflow_id: 'w', run_id: 'r2', status: 'running' });
  expect([get(all.queue).length, get(all.runningExecution)?.run_id]).toEqual([0, 'r2']);
  expect(contents().at(-1)).toBe('Hi.');
  open = [anExecution('r2', { message: 'Hi.', status: 'interrupted' })];
  server.tell('workflow_update', { workflow_id: 'w', run_id: 'r2', status: 'interrupted' });
  await settled();
  expect([get(all.runningExecution), get(all.interruptedExecution)?.run_id]).toEqual([null, 'r2']);
  expect(contents()).toEqual(['q1', 'a1', 'Hi.']); // also before its rows are loaded
  store.ended('r2', aState('w', { messages: [aMessage('Hi.', 'user', 'r2')] }));
  expect(contents()).toEqual(['q1', 'a1', 'Hi.']);
  server.tell('workflow_update', { workflow_id: 'other', run_id: 'x', status: 'queued' });
});

test('what waits can be changed and removed', async () => {
  open = [anExecution('r2'), anExecution('r3')];
  await store.load('w');
  server.on('PATCH /api/queue/*', (body) => anExecution('r2', body as { message: string }));
  server.on('DELETE /api/queue/*', () => undefined);
  await store.editQueued('r2', 'other words');
  await store.removeQueued('r3');
  expect(get(all.queue).map((each) => each.message)).toEqual(['other words']);
});

test('a message that the server refuses is not in the queue', async () => {
  await store.load('w');
  server.on('POST /api/workflows/*/execute/stream', () => {
    throw new Refusal(409, 'conflict');
  });
  await expect(store.send('Hi.')).rejects.toMatchObject({ status: 409 });
  expect(get(all.queue)).toEqual([]);
  store.reset();
  await expect(store.send('Hi.')).rejects.toThrow();
});

test('how the last execution ended is known', async () => {
  const over = {
    run_id: 'r1',
    ordinal: 1,
    message: 'q1',
    agent_id: 'helper',
    status: 'error',
    error: 'it broke',
  };
  const times = { created_at: '2026-01-01T00:00:00Z', started_at: null, ended_at: '2026-01-01T00:00:01Z' };
  server.on('GET /api/workflows/*/state', () => aState('w', { executions: [{ ...over, ...times }] }));
  await store.load('w');
  expect(get(all.lastExecution)?.error).toBe('it broke');
});

test('rows that were asked for before an execution ended do not take the place of those after it', async () => {
  let answer: (found: unknown) => void = () => {};
  server.on('GET /api/workflows/*/state', () => new Promise((done) => (answer = done)));
  const loading = store.load('w');
  await settled();
  const after = aState('w', { messages: [...rows, aMessage('q2', 'user', 'r2')] });
  server.on('GET /api/workflows/*/state', () => after);
  server.tell('workflow_complete', { workflow_id: 'w', run_id: 'r2', seq: 1, ts: 1, status: 'completed' });
  store.ended('r2', after);
  answer(aState('w', { messages: rows }));
  await loading;
  await settled();
  expect(contents()).toEqual(['q1', 'a1', 'q2']);
  expect(server.bodies('GET /api/workflows/*/state').length).toBe(2);
});
