/** What all workflows are doing, also those that nobody looks at. */
import { beforeEach, expect, test } from 'vitest';
import { get } from 'svelte/store';
import { backgroundWorkflowsStore as store, running } from './background';
import { aChunk, anExecution } from './testing/rows';
import { FakeServer, settled } from './testing/server';

let server: FakeServer;
const all = () => {
  store.flushSync();
  return get(store);
};
const update = (status: string, run_id = 'r', workflow_id = 'w') =>
  server.tell('workflow_update', { workflow_id, run_id, status });

beforeEach(async () => {
  server = new FakeServer({ 'GET /api/queue': () => [] });
  store.reset();
  store.start();
  await settled();
});

test('what runs and what waits is asked for when the page opens', async () => {
  server.on('GET /api/queue', () => [
    anExecution('r', { status: 'running', started_at: 7 }),
    anExecution('s'),
    anExecution('t', { workflow_id: 'v' }),
  ]);
  await store.load();
  expect(all().get('w')).toMatchObject({ status: 'running', runId: 'r', queued: 1, started: 7000 });
  expect(all().get('v')).toMatchObject({ status: 'queued', queued: 1 });
  expect(get(running).length).toBe(1);
});

test('an execution is queued, runs, and is over', () => {
  const ends: string[] = [];
  const stop = store.onEnd((told) => ends.push(told.status));
  update('queued');
  expect(all().get('w')).toMatchObject({ status: 'queued', queued: 1 });
  update('running');
  expect(all().get('w')).toMatchObject({ status: 'running', queued: 0 });
  server.tell(
    'workflow_stream',
    aChunk(1, 'tool_start', { tool: 'read', path: 'helper/read', call_id: 'c' }),
  );
  server.tell('sub_agent_start', aChunk(2, 'sub_agent_start', { path: 'helper/x' }));
  server.tell('workflow_stream', aChunk(3, 'user_question_start', { question_id: 'q' }));
  expect(all().get('w')).toMatchObject({ tools: 1, agents: 1, waiting: 1 });
  server.tell('workflow_complete', {
    workflow_id: 'w',
    run_id: 'r',
    seq: 4,
    ts: 5,
    status: 'error',
    error: 'it broke',
  });
  expect(all().get('w')).toMatchObject({
    status: 'error',
    error: 'it broke',
    tools: 0,
    waiting: 0,
    ended: 5000,
  });
  expect(ends).toEqual(['error']);
  stop();
});

test('a message that is withdrawn leaves nothing, a run that is interrupted says so', () => {
  update('queued');
  update('withdrawn');
  expect(all().size).toBe(0);
  update('interrupted');
  expect(all().get('w')?.status).toBe('interrupted');
});

test('a workflow that is deleted, and what stands only in lists, is not among them', () => {
  update('running');
  server.tell('workflow_update', { workflow_id: 'w', status: 'renamed' });
  expect(all().size).toBe(1);
  server.tell('workflow_update', { workflow_id: 'w', status: 'deleted' });
  expect(all().size).toBe(0);
});

test('after a reset, what has ended meanwhile is not said to run', async () => {
  update('running');
  server.tell('workflow_stream', aChunk(1, 'token', { content: 'a' }));
  server.tell('stream_reset', { reason: 'unknown' });
  await settled();
  expect(all().size).toBe(0);
  expect(store.state('w').content).toBe('');
});

test('only the last workflows that are over keep what they said', () => {
  for (let number = 0; number < 30; number++) {
    const ids = { workflow_id: `w${number}`, run_id: `r${number}` };
    server.tell('workflow_stream', aChunk(1, 'token', { ...ids, content: 'text' }));
    server.tell('workflow_complete', { ...ids, seq: 2, ts: 1, status: 'completed', error: null });
  }
  expect(store.state('w0').content).toBe('');
  expect(store.state('w29').content).toBe('text');
  store.forget('w29');
  expect(store.state('w29').content).toBe('');
  expect(store.status('unknown')).toBe('idle');
});

test('what is told while the queue is asked for counts more than the answer', async () => {
  update('running', 'r');
  let answer: (found: unknown) => void = () => {};
  server.on('GET /api/queue', () => new Promise((done) => (answer = done)));
  const loading = store.load();
  await settled();
  update('queued', 's');
  update('running', 'q', 'v');
  server.tell('workflow_complete', { workflow_id: 'w', run_id: 'r', seq: 4, ts: 5, status: 'completed' });
  answer([anExecution('r', { status: 'running' }), anExecution('old', { workflow_id: 'u' })]);
  await loading;
  expect(all().get('w')).toMatchObject({ status: 'completed', queued: 1 });
  expect(all().get('v')?.status).toBe('running');
  expect(all().get('u')?.queued).toBe(1);
  server.on('GET /api/queue', () => []);
  await store.load();
  expect([all().get('w')?.queued, all().has('u'), all().has('v')]).toEqual([0, false, false]);
});

test('of a run that goes on after an interruption, what was told before is read', async () => {
  const sent = `event: workflow_stream\ndata: ${JSON.stringify(aChunk(1, 'token', { content: 'So ' }))}\n\n`;
  server.on('GET /api/workflows/*/events', () => new Response(sent));
  update('queued');
  update('running');
  server.tell('workflow_stream', aChunk(2, 'token', { content: 'it is.' }));
  await store.restore('w', { run_id: 'r', ordinal: 1 });
  expect(store.state('w').content).toBe('So ');
  server.tell('workflow_stream', aChunk(2, 'token', { content: 'it is.' }));
  expect(store.state('w').content).toBe('So it is.');
  await store.restore('w', { run_id: 'r', ordinal: 1 });
  expect(server.bodies('GET /api/workflows/*/events').length).toBe(1);
  server.on('GET /api/queue', () => [anExecution('r', { status: 'running' })]);
  server.tell('stream_reset', { reason: 'unknown' });
  await store.restore('w', { run_id: 'r', ordinal: 1 });
  expect(server.bodies('GET /api/workflows/*/events').length).toBe(2);
});

test('what could not go on after a restart is not told as running by what is read of it', async () => {
  const sent = `event: workflow_stream\ndata: ${JSON.stringify(aChunk(1, 'token', { content: 'So ' }))}\n\n`;
  let answer: (found: Response) => void = () => {};
  server.on('GET /api/workflows/*/events', () => new Promise((done) => (answer = done)));
  update('running');
  server.tell('workflow_stream', aChunk(2, 'token', { content: 'it is.' }));
  server.tell('stream_reset', { reason: 'unknown' }); // nothing runs any more
  const restored = store.restore('w', { run_id: 'r', ordinal: 1 });
  await settled();
  answer(new Response(sent));
  await restored;
  expect(all().has('w')).toBe(false);
  expect(store.state('w').status).toBe('idle');
});

test('an interruption ends what was shown as running, also when its end was told to nobody', () => {
  const ends: string[] = [];
  const stop = store.onEnd((told) => ends.push(told.run_id));
  update('running');
  server.tell('workflow_stream', aChunk(1, 'token', { content: 'So ' }));
  expect(store.state('w').status).toBe('running');
  update('interrupted');
  expect([store.state('w').status, all().get('w')?.status, ends]).toEqual(['error', 'interrupted', ['r']]);
  update('interrupted');
  expect(ends).toEqual(['r']);
  stop();
});

test('what has just ended is still to be read, however many have ended after it began', () => {
  const ids = (number: number) => ({ workflow_id: `w${number}`, run_id: `r${number}` });
  for (let number = 0; number < 30; number++)
    server.tell('workflow_stream', aChunk(1, 'token', { ...ids(number), content: 'text' }));
  for (let number = 29; number >= 0; number--) {
    const told = { ...ids(number), seq: 2, ts: 100 - number, status: 'completed', error: null };
    server.tell('workflow_complete', told);
    expect(store.state(`w${number}`).content).toBe('text');
  }
  expect([store.state('w29').content, store.state('w0').content]).toEqual(['', 'text']);
});
