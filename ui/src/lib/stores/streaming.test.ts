/** What the workflow that is looked at is doing: by the methods of the store, and by what the stream tells. */
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { get } from 'svelte/store';
import * as streaming from './streaming';
import { backgroundWorkflowsStore as background, running } from './background';
import { aChunk, anExecution } from './testing/rows';
import { FakeServer, Refusal, settled } from './testing/server';

const { streamingStore: store } = streaming;
const names = (items: { name: string }[]) => items.map((each) => each.name);

let server: FakeServer;
beforeEach(async () => {
  server = new FakeServer({ 'GET /api/queue': () => [] });
  background.reset();
  background.start();
  await settled();
  await store.cleanup();
});

describe('the methods', () => {
  beforeEach(() => store.start('w'));

  test('a started execution streams until it is complete', () => {
    expect(get(streaming.isStreaming)).toBe(true);
    store.appendToken('Hello ');
    store.appendToken('world');
    expect(get(streaming.streamContent)).toBe('Hello world');
    expect(get(streaming.tokensReceived)).toBe(2);
    store.complete();
    expect([get(streaming.isStreaming), get(streaming.isCompleted)]).toEqual([false, true]);
    expect(get(streaming.streamContent)).toBe('Hello world');
  });

  test('two calls of one tool are two calls', () => {
    store.addToolStart('read');
    store.addToolStart('read');
    store.addToolStart('write');
    store.completeToolEnd('read', 120);
    store.failTool('write', 'no room');
    store.failTool('unknown', 'nothing happens');
    expect(names(get(streaming.runningTools))).toEqual(['read']);
    expect(get(streaming.completedTools)).toMatchObject([{ name: 'read', duration: 120 }]);
    expect(get(streaming.activeTools).map((each) => each.status)).toEqual(['completed', 'running', 'error']);
    expect(get(streaming.activeTools)[2]?.error).toBe('no room');
  });

  test('thoughts are steps', () => {
    store.addReasoning('first');
    store.addReasoning('second');
    expect(get(streaming.reasoningSteps).map((each) => [each.number, each.content])).toEqual([
      [1, 'first'],
      [2, 'second'],
    ]);
  });

  test('an error ends it, and a cancellation does', () => {
    store.setError('it broke');
    expect([get(streaming.streamError), get(streaming.isStreaming)]).toEqual(['it broke', false]);
    return store.start('w').then(() => {
      expect(get(streaming.streamError)).toBe(null);
      store.cancel();
      expect([get(streaming.isCancelled), get(streaming.isStreaming)]).toEqual([true, false]);
    });
  });

  test('nothing is shown after a reset', async () => {
    store.appendToken('gone');
    store.complete();
    await store.reset();
    expect(get(store)).toMatchObject({ workflowId: null, content: '', status: 'idle', tools: [] });
    store.appendToken('nowhere');
    store.complete();
    store.addToolStart('x');
    expect(get(streaming.streamContent)).toBe('');
  });

  test('a message that waits behind an execution does not make that start anew', async () => {
    store.appendToken('still');
    await store.start('w');
    expect(get(streaming.streamContent)).toBe('still');
  });
});

describe('what the stream tells', () => {
  test('is shown where it is looked at, and kept where not', async () => {
    await store.attach('w');
    server.tell('workflow_stream', aChunk(1, 'token', { content: 'mine' }));
    server.tell('workflow_stream', aChunk(1, 'token', { content: 'other', workflow_id: 'v', run_id: 's' }));
    store.flushSync();
    expect(get(streaming.streamContent)).toBe('mine');
    await store.attach('v');
    expect(get(streaming.streamContent)).toBe('other');
    expect(get(streaming.streamRunId)).toBe('s');
    await store.attach('w');
    expect(get(streaming.streamContent)).toBe('mine');
    expect(get(store).started).toBe(1_790_000_000_100);
    expect(get(running).length).toBe(0); // it is shown at the next frame
    background.flushSync();
    expect(get(running).map((each) => each.workflowId)).toEqual(['w', 'v']);
  });

  test('wakes nobody whose part has not changed', async () => {
    await store.attach('w');
    server.tell('workflow_stream', aChunk(1, 'token', { content: 'a' }));
    store.flushSync();
    const woken = { tools: 0, agents: 0, tasks: 0, thoughts: 0, flags: 0, words: 0 };
    streaming.activeTools.subscribe(() => woken.tools++);
    streaming.activeSubAgents.subscribe(() => woken.agents++);
    streaming.activeTasks.subscribe(() => woken.tasks++);
    streaming.reasoningSteps.subscribe(() => woken.thoughts++);
    streaming.isStreaming.subscribe(() => woken.flags++);
    streaming.streamContent.subscribe(() => woken.words++);
    for (let seq = 2; seq < 100; seq++) store.take('workflow_stream', aChunk(seq, 'token', { content: 'a' }));
    store.flushSync();
    expect(woken).toEqual({ tools: 1, agents: 1, tasks: 1, thoughts: 1, flags: 1, words: 2 });
  });

  test('of sub-agents, tasks and questions is in its own parts', async () => {
    await store.attach('w');
    const agent = { path: 'helper/x', sub_agent_id: 'x', sub_agent_name: 'X' };
    store.take('sub_agent_start', aChunk(1, 'sub_agent_start', agent));
    store.take(
      'sub_agent_start',
      aChunk(2, 'sub_agent_start', { ...agent, path: 'helper/y', sub_agent_name: 'Y' }),
    );
    store.take('sub_agent_complete', aChunk(3, 'sub_agent_complete', { ...agent, outcome: 'success' }));
    for (const [seq, status] of [
      [4, 'pending'],
      [5, 'in_progress'],
      [6, 'completed'],
    ] as const)
      store.take(
        'workflow_stream',
        aChunk(seq, 'task_create', { task_id: status, task_name: status, task_status: status }),
      );
    store.take('workflow_stream', aChunk(7, 'user_question_start', { question_id: 'q' }));
    store.flushSync();
    expect(names(get(streaming.activeSubAgents))).toEqual(['X', 'Y']);
    expect(names(get(streaming.runningSubAgents))).toEqual(['Y']);
    expect(names(get(streaming.completedSubAgents))).toEqual(['X']);
    expect(names(get(streaming.activeTasks))).toEqual(['pending', 'in_progress', 'completed']);
    expect(names(get(streaming.pendingTasks))).toEqual(['pending']);
    expect(names(get(streaming.runningTasks))).toEqual(['in_progress']);
    expect(names(get(streaming.completedTasks))).toEqual(['completed']);
    expect(get(store).waiting).toMatchObject([{ kind: 'question', id: 'q' }]);
  });

  test('can be shown as it was found', () => {
    const state = background.state('w');
    store.restore({ ...state, content: 'as it was', status: 'completed', tokens: 3 });
    expect([get(streaming.streamContent), get(streaming.isCompleted)]).toEqual(['as it was', true]);
  });
});

describe('cancelling', () => {
  beforeEach(async () => {
    await store.attach('w');
    server.tell('workflow_update', { workflow_id: 'w', run_id: 'r', status: 'running' });
    store.flushSync();
  });

  test('is shown at once, and how it ended when the server says so', async () => {
    let answer: () => void = () => {};
    server.on(
      'POST /api/workflows/*/cancel',
      () => new Promise((done) => (answer = () => done({ cancelled: true }))),
    );
    const done = store.requestCancel();
    expect([get(streaming.cancelling), get(streaming.isStreaming)]).toEqual([true, true]);
    await settled();
    server.tell('workflow_complete', {
      workflow_id: 'w',
      run_id: 'r',
      seq: 2,
      ts: 1,
      status: 'cancelled',
      error: null,
    });
    store.flushSync();
    expect([get(streaming.cancelling), get(streaming.isCancelled)]).toEqual([false, true]);
    answer();
    await done;
  });

  test('that the server refuses goes on', async () => {
    server.on('POST /api/workflows/*/cancel', () => {
      throw new Refusal(503, 'store_unavailable');
    });
    await expect(store.requestCancel()).rejects.toMatchObject({ status: 503 });
    store.flushSync();
    expect([get(streaming.cancelling), get(streaming.isStreaming)]).toEqual([false, true]);
    await store.cleanup();
    await store.requestCancel();
  });
});

describe('an execution that began before the page was open', () => {
  const replayed = [1, 2, 3].map(
    (seq) =>
      `event: workflow_stream\ndata: ${JSON.stringify(aChunk(seq, 'token', { content: `${seq} ` }))}\n\n`,
  );

  test('is read from its beginning, each event once although some came twice', async () => {
    let go: () => void = () => {};
    const gone = new Promise<void>((done) => (go = done));
    server.on('GET /api/queue', () => [anExecution('r', { status: 'running', ordinal: 4, started_at: 1 })]);
    server.on('GET /api/workflows/*/events', async (_, url) => {
      expect(url.search).toBe('?after=4.0.0&follow=false');
      await gone;
      return new Response(replayed.join(''));
    });
    await background.load();
    const shown = store.attach('w');
    await settled();
    server.tell('workflow_stream', aChunk(3, 'token', { content: '3 ' }));
    server.tell('workflow_stream', aChunk(4, 'token', { content: '4' }));
    go();
    await shown;
    store.flushSync();
    expect(get(streaming.streamContent)).toBe('1 2 3 4');
    await store.attach('w');
    expect(server.bodies('GET /api/workflows/*/events').length).toBe(1);
  });

  test('that cannot be read goes on with what comes', async () => {
    server.on('GET /api/queue', () => [anExecution('r', { status: 'running', ordinal: 4 })]);
    server.on('GET /api/workflows/*/events', () => {
      throw new Refusal(503);
    });
    await background.load();
    await expect(store.attach('w')).rejects.toMatchObject({ status: 503 });
    server.tell('workflow_stream', aChunk(9, 'token', { content: 'late' }));
    store.flushSync();
    expect(get(streaming.streamContent)).toBe('late');
  });
});

test('in a tab that nobody sees, what has changed is shown a few times a second', async () => {
  vi.useFakeTimers();
  const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
  await store.attach('w');
  store.take('workflow_stream', aChunk(1, 'token', { content: 'a' }));
  expect(get(streaming.streamContent)).toBe('');
  vi.advanceTimersByTime(250);
  expect(get(streaming.streamContent)).toBe('a');
  store.take('workflow_stream', aChunk(2, 'token', { content: 'b' }));
  hidden.mockReturnValue(false);
  document.dispatchEvent(new Event('visibilitychange'));
  vi.advanceTimersByTime(20);
  expect(get(streaming.streamContent)).toBe('ab');
  vi.useRealTimers();
  hidden.mockRestore();
});
