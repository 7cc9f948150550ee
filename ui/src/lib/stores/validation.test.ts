/** What waits for a person, from the first word of it until somebody has decided, here or elsewhere. */
import { beforeEach, describe, expect, test } from 'vitest';
import { get } from 'svelte/store';
import * as all from './validation';
import { aChunk } from './testing/rows';
import { FakeServer, paged, Refusal, settled } from './testing/server';

const { validationStore: store } = all;
const ids = () => [
  get(all.pendingValidations).map((each) => each.id),
  get(all.pendingQuestions).map((each) => each.id),
];
const row = (id: string) => ({ id, workflow_id: 'w', run_id: 'r', status: 'pending' });
const required = (id: string) => ({
  ...aChunk(1, 'error'),
  validation_id: id,
  operation: 'delete it',
  choices: ['approve'],
  expires_at: 1_790_000_100,
});
const asks = (id: string) =>
  aChunk(2, 'user_question_start', {
    question_id: id,
    user_question: {
      question_id: id,
      question: 'Which?',
      question_type: 'checkbox',
      options: [],
      text_placeholder: '',
      text_required: false,
      context: '',
    },
  });

let server: FakeServer;
beforeEach(async () => {
  server = new FakeServer({
    'GET /api/validations': () => paged([row('v2'), row('v1')]),
    'GET /api/questions': () => paged([row('q1')]),
  });
  store.reset();
  store.start();
  await store.load();
});

test('what waits is loaded, what waits longest first', () => {
  expect(ids()).toEqual([['v1', 'v2'], ['q1']]);
  expect(get(all.waitingCount)).toBe(3);
  expect(get(store)).toMatchObject({ count: 3, loading: false, loaded: true, error: null });
});

test('what cannot be loaded is told, what is known stays', async () => {
  server.on('GET /api/questions', () => {
    throw new Refusal(503);
  });
  await store.load();
  expect(get(store)).toMatchObject({ count: 3, loading: false, error: { status: 503 } });
});

describe('the stream', () => {
  test('tells what a list that is on its way does not hold yet', async () => {
    const loading = store.load();
    server.tell('validation_required', required('v3'));
    server.tell('workflow_stream', asks('q2'));
    await loading;
    expect(ids()).toEqual([
      ['v1', 'v2', 'v3'],
      ['q1', 'q2'],
    ]);
  });

  test('tells what stays until a list holds it or it is decided, however often they are loaded', async () => {
    server.tell('validation_required', required('v3'));
    await store.load();
    await store.load();
    expect(ids()[0]).toEqual(['v1', 'v2', 'v3']);
    server.tell('validation_response', { ...aChunk(3, 'error'), validation_id: 'v1' });
    await store.load();
    expect(ids()[0]).toEqual(['v2', 'v3']);
    server.on('GET /api/validations', () => paged([row('v3')]));
    await store.load();
    server.on('GET /api/validations', () => paged([]));
    await store.load();
    expect(ids()[0]).toEqual([]);
  });

  test('brings what waits at once, with what it tells of it', () => {
    server.tell('validation_required', required('v3'));
    server.tell('workflow_stream', asks('q2'));
    expect(ids()).toEqual([
      ['v1', 'v2', 'v3'],
      ['q1', 'q2'],
    ]);
    expect(get(all.pendingValidations).at(-1)).toMatchObject({
      operation: 'delete it',
      expires_at: '2026-09-21T14:15:00.000Z',
    });
    expect(get(all.pendingQuestions).at(-1)).toMatchObject({ question: 'Which?', question_type: 'checkbox' });
    server.tell('validation_required', required('v3'));
    expect(get(all.waitingCount)).toBe(5);
  });

  test('takes away what others have decided, and what nobody needs to decide any more', () => {
    server.tell('validation_response', { ...aChunk(3, 'error'), validation_id: 'v1' });
    server.tell('workflow_stream', aChunk(4, 'user_question_complete', { question_id: 'q1' }));
    expect(ids()).toEqual([['v2'], []]);
    server.tell('workflow_complete', {
      workflow_id: 'w',
      run_id: 'r',
      seq: 9,
      ts: 1,
      status: 'error',
      error: null,
    });
    expect(get(all.waitingCount)).toBe(0);
  });

  test('of a workflow that is deleted takes all away', () => {
    server.tell('workflow_update', { workflow_id: 'w', status: 'deleted' });
    expect(get(all.waitingCount)).toBe(0);
  });

  test('is believed rather than lists that were asked for before', async () => {
    let go: () => void = () => {};
    server.on('GET /api/questions', () => new Promise((done) => (go = () => done(paged([row('q1')])))));
    const loaded = store.load();
    await settled();
    server.tell('workflow_stream', aChunk(4, 'user_question_complete', { question_id: 'q1' }));
    go();
    await loaded;
    expect(ids()[1]).toEqual([]);
  });
});

describe('a decision', () => {
  test('is sent as it was made, and waits no more', async () => {
    server.on('POST /api/validations/*/approve', () => ({ id: 'v1', status: 'approved', choice: 'approve' }));
    server.on('POST /api/validations/*/reject', () => ({ id: 'v2', status: 'rejected', choice: 'reject' }));
    server.on('POST /api/questions/*/answer', () => ({ id: 'q1', status: 'answered', choice: 'answer' }));
    await store.approve('v1', { arguments: { path: 'b' }, all: true, reason: 'fine' });
    await store.reject('v2', 'not now');
    await store.answer('q1', { selected: ['a'], text: 'b', value: 3 });
    expect(get(all.waitingCount)).toBe(0);
    expect(server.bodies('POST /api/validations/*/approve')).toEqual([
      { all: true, reason: 'fine', by: 'page', arguments: { path: 'b' } },
    ]);
    expect(server.bodies('POST /api/validations/*/reject')).toEqual([{ reason: 'not now', by: 'page' }]);
    expect(server.bodies('POST /api/questions/*/answer')).toEqual([
      { selected: ['a'], text: 'b', reason: '', by: 'page', value: 3 },
    ]);
  });

  test('that somebody else was quicker with is told, and the lists are loaded anew', async () => {
    server.on('POST /api/questions/*/skip', () => {
      throw new Refusal(409);
    });
    server.on('GET /api/questions', () => paged([]));
    await expect(store.skip('q1')).rejects.toMatchObject({ status: 409 });
    await settled();
    expect(ids()[1]).toEqual([]);
  });

  test('about all leaves what is to be decided by itself', async () => {
    server.on('POST /api/validations/approve_all', () => ({
      approved: ['v1'],
      left: [{ id: 'v2', reason: 'by itself' }],
    }));
    expect((await store.approveAll('w')).left.length).toBe(1);
    expect(ids()[0]).toEqual(['v2']);
    expect(server.bodies('POST /api/validations/approve_all')).toEqual([
      { by: 'page', reason: '', workflow_id: 'w' },
    ]);
  });
});
