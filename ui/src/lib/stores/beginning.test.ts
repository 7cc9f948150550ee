/** What is set going when the page opens: the workflow that is selected is followed, the others are heard of. */
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { get } from 'svelte/store';
import { router } from '$lib/router.svelte';
import { allActivities } from './activity';
import { backgroundWorkflowsStore, running } from './background';
import { begin } from './beginning';
import { connectionStore } from './connection.svelte';
import { messages, runningExecution } from './messages';
import { streamContent, streamingStore } from './streaming';
import { aChunk, aMessage, anExecution, aState, aWorkflow } from './testing/rows';
import { FakeServer, paged, settled } from './testing/server';
import { toastStore } from './toasts.svelte';
import { workflowStore } from './workflows';
import { live } from '$lib/live/live';

class Stream extends EventTarget {
  close(): void {}
}
let server: FakeServer;
let open: ReturnType<typeof anExecution>[] = [];
let rows = aState('w');
const last = (url: URL) => url.pathname.split('/').at(-1) ?? '';
const texts = () => toastStore.shown.map((each) => [each.kind, each.text]);
const complete = (workflow_id: string, run_id: string, status: string, error: string | null = null) =>
  server.tell('workflow_complete', { workflow_id, run_id, seq: 99, ts: 1, status, error });

beforeAll(() => {
  Object.assign(globalThis, { EventSource: Stream });
});
beforeEach(async () => {
  open = [];
  rows = aState('w', { workflow: aWorkflow('w', { name: 'Mine' }) });
  server = new FakeServer({
    'GET /api/queue': () => open,
    'GET /api/agents': () => paged([]),
    'GET /api/workflows': () => paged([aWorkflow('w', { name: 'Mine' }), aWorkflow('v', { name: 'Other' })]),
    'GET /api/workflows/*': (_, url) => aWorkflow(last(url), { name: last(url) === 'w' ? 'Mine' : 'Other' }),
    'GET /api/workflows/*/state': () => rows,
    'GET /api/workflows/*/executions': () => open,
    'GET /api/workflows/*/events': () => new Response(''),
    'GET /api/validations': () => paged([]),
    'GET /api/questions': () => paged([]),
  });
  begin();
  begin();
  await settled();
  for (const toast of toastStore.shown) toastStore.close(toast.id);
  router.go('workflows/w');
  workflowStore.select('w');
  await settled();
});

test('the answer of the workflow that is looked at is shown while it is written, and then as its row', async () => {
  open = [anExecution('r', { status: 'running', message: 'How?' })];
  server.tell('workflow_update', { workflow_id: 'w', run_id: 'r', status: 'running' });
  server.tell('workflow_stream', aChunk(1, 'token', { content: 'So.' }));
  await settled();
  streamingStore.flushSync();
  expect([get(streamContent), get(runningExecution)?.run_id]).toEqual(['So.', 'r']);
  open = [];
  rows = aState('w', { messages: [aMessage('How?', 'user', 'r'), aMessage('So.', 'assistant', 'r')] });
  complete('w', 'r', 'completed');
  streamingStore.flushSync();
  expect(get(streamContent)).toBe('So.');
  await settled();
  expect([get(streamContent), get(runningExecution)]).toEqual(['', null]);
  expect(get(messages).map((each) => each.content)).toEqual(['How?', 'So.']);
  expect(get(allActivities).filter((each) => each.type === 'message').length).toBe(2);
  expect(toastStore.shown).toEqual([]);
});

test('what ends where nobody looks is told, with the way there', async () => {
  complete('v', 'r1', 'completed');
  complete('v', 'r2', 'error', 'it broke');
  complete('nobody-knows', 'r3', 'cancelled');
  expect(texts()).toEqual([
    ['success', '“Other” is completed'],
    ['error', '“Other” failed: it broke'],
    ['info', '“A workflow” was cancelled'],
  ]);
  expect(toastStore.shown[0]?.href).toContain('workflows/v?run=r1');
  router.go('settings');
  complete('w', 'r4', 'completed');
  expect(texts().at(-1)).toEqual(['success', '“Mine” is completed']);
});

test('a task that somebody changed by hand is shown as its row tells', async () => {
  const told = () => get(allActivities).filter((each) => each.type !== 'message');
  const task = {
    id: 't',
    workflow_id: 'w',
    name: 'Tidy',
    status: 'completed',
    priority: 1,
    description: 'all of it',
    dependencies: [],
    created_at: '2026-01-01T00:00:00Z',
  };
  rows = aState('w', { tasks: [task] });
  server.tell('workflow_update', {
    workflow_id: 'w',
    status: 'task_changed',
    task_id: 't',
    task_status: 'completed',
  });
  await settled();
  expect(told()).toMatchObject([{ type: 'task_complete', title: 'Tidy' }]);
  rows = aState('w');
  server.tell('workflow_update', {
    workflow_id: 'w',
    status: 'task_deleted',
    task_id: 't',
    task_status: 'completed',
  });
  await settled();
  expect(told()).toEqual([]);
});

test('after a reset everything is loaded anew', async () => {
  rows = aState('w', { messages: [aMessage('new', 'user', 'r')] });
  server.tell('stream_reset', { reason: 'unknown' });
  await settled();
  expect(get(messages).map((each) => each.content)).toEqual(['new']);
  backgroundWorkflowsStore.flushSync();
  expect(get(running)).toEqual([]);
});

test('how the connection stands is known, and it can be tried at once', () => {
  live.take({ kind: 'link', state: 'reconnecting', tabs: 3, retryAt: 5 });
  expect([connectionStore.state, connectionStore.tabs, connectionStore.retryAt]).toEqual([
    'reconnecting',
    3,
    5,
  ]);
  connectionStore.retryNow();
  live.take({ kind: 'link', state: 'connected', tabs: 3, retryAt: null });
  expect(connectionStore.state).toBe('connected');
});

test('a listener that fails keeps no other from hearing', () => {
  const heard: string[] = [];
  const reported = vi.fn();
  vi.stubGlobal('reportError', reported); // jsdom has none
  const stops = [
    live.on('run_update', () => {
      throw new Error('mine');
    }),
    live.on('run_update', (told) => heard.push(told.run_id)),
  ];
  server.tell('run_update', { run_id: 'r', status: 'running' });
  for (const stop of stops) stop();
  server.tell('run_update', { run_id: 's', status: 'running' });
  expect(heard).toEqual(['r']);
  expect(reported).toHaveBeenCalledWith(new Error('mine'));
});

test('an event that is not to be read keeps none behind it from being heard', () => {
  const heard: string[] = [];
  const reported = vi.fn();
  vi.stubGlobal('reportError', reported);
  const stop = live.on('run_update', (told) => heard.push(told.run_id));
  live.take({
    kind: 'events',
    events: [
      ['run_update', '{"run_id": ', '1'],
      ['run_update', '{"run_id": "s"}', '2'],
    ],
  });
  stop();
  expect(heard).toEqual(['s']);
  expect(reported).toHaveBeenCalledOnce();
});

test('an execution that waits to be resumed is said to be interrupted, not to have failed', () => {
  const told = { workflow_id: 'v', run_id: 'r', status: 'error', error: 'the machine stopped' };
  server.tell('workflow_complete', told);
  expect(texts()).toEqual([['error', '“Other” was interrupted: the machine stopped']]);
});

test('a run of the library that ends elsewhere is told, with the way there', async () => {
  server.on('GET /api/runs/*', () => ({ name: 'survey', error: 'no disk' }));
  const ends = async (run_id: string, status: string) => {
    server.tell('run_update', { run_id, status });
    await settled();
  };
  await ends('r1', 'running');
  await ends('r1', 'completed');
  await ends('r2', 'timed_out');
  router.go('runs/r3');
  await ends('r3', 'completed');
  await ends('r4', 'interrupted');
  router.go('runs');
  await ends('r5', 'completed');
  expect(texts()).toEqual([
    ['success', '“survey” is completed'],
    ['error', '“survey” failed: no disk'],
    ['error', '“survey” was interrupted: no disk'],
  ]);
  expect(toastStore.shown[0]?.href).toContain('runs/r1');
});
