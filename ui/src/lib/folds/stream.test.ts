// @vitest-environment node
/** What the events of a workflow amount to, where recorded logs do not say. */
import { describe, expect, test } from 'vitest';
import { aChunk } from '$lib/stores/testing/rows';
import { AGENTS, CONTENT, EVERYTHING, FLAGS, PEOPLE, REASONING, StreamFold, TASKS, TOOLS } from './stream';

const stream = () => new StreamFold('w');
type Given = Parameters<typeof aChunk>;
const take = (fold: StreamFold, ...given: Given) => fold.take('workflow_stream', aChunk(...given));

describe('words', () => {
  test('change nothing but words', () => {
    const fold = stream();
    expect(take(fold, 1, 'token', { content: 'Hel' })).toBe(EVERYTHING);
    expect(take(fold, 2, 'token', { content: 'lo' })).toBe(CONTENT);
    expect(fold.content).toBe('Hello');
    expect(fold.tokens).toBe(2);
  });

  test('that were put together count as the tokens that they were', () => {
    const fold = stream();
    take(fold, 1, 'token', { content: 'a' });
    take(fold, 9, 'token', { content: 'b c d' });
    expect(fold.tokens).toBe(9);
    take(fold, 10, 'token', { content: 'x'.repeat(400) });
    expect(fold.tokens).toBe(101);
  });

  test('that are first heard in the middle of a run are not counted for those before', () => {
    const fold = stream();
    take(fold, 5_000, 'token', { content: 'late' });
    expect(fold.tokens).toBe(1);
  });

  test('of an attempt that broke off are void, those of other answers stay', () => {
    const fold = stream();
    take(fold, 1, 'token', { content: 'kept', path: 'helper/model' });
    take(fold, 2, 'token', { content: 'void', path: 'helper/model#2' });
    take(fold, 3, 'token', { content: 'anew', path: 'helper/model#2', attempt: 2 });
    expect(fold.content).toBe('kept\n\nanew');
  });

  test('of an agent that begins anew are all void', () => {
    const fold = stream();
    take(fold, 1, 'tool_start', { path: 'helper', parent_path: '', tool: 'helper' });
    take(fold, 2, 'reasoning', { content: 'hm' });
    take(fold, 3, 'token', { content: 'void' });
    const changed = take(fold, 4, 'tool_start', {
      path: 'helper',
      parent_path: '',
      tool: 'helper',
      attempt: 2,
    });
    expect(changed).toBe(CONTENT | REASONING);
    expect([fold.content, fold.reasoning, fold.tools.size]).toEqual(['', [], 0]);
    take(fold, 5, 'reasoning', { content: 'again', attempt: 2 });
    expect(fold.reasoning).toMatchObject([{ number: 1, content: 'again', started: 1_790_000_000_500 }]);
  });

  test('of sub-agents are not those of the workflow', () => {
    const fold = stream();
    take(fold, 1, 'token', { content: 'inner', sub_agent_id: 'x' });
    expect(fold.content).toBe('');
  });

  test('that are completed are the last answer', () => {
    const fold = stream();
    take(fold, 1, 'token', { content: 'I look.', path: 'helper/model' });
    take(fold, 2, 'token', { content: 'It is 3.', path: 'helper/model#2' });
    const end = { workflow_id: 'w', run_id: 'r', seq: 3, ts: 1, status: 'completed', error: null };
    expect(fold.take('workflow_complete', end) & (CONTENT | FLAGS)).toBe(CONTENT | FLAGS);
    expect(fold.content).toBe('It is 3.');
  });
});

describe('a thought', () => {
  test('ends with the words that follow it', () => {
    const fold = stream();
    take(fold, 1, 'reasoning', { content: 'a' });
    take(fold, 2, 'reasoning', { content: 'b' });
    expect(take(fold, 5, 'token', { content: 'c' })).toBe(CONTENT | REASONING);
    expect(fold.reasoning).toMatchObject([{ id: 'r:helper/model', content: 'ab', duration: 400, number: 1 }]);
  });

  test('of nothing but blanks is none', () => {
    const fold = stream();
    take(fold, 1, 'reasoning', { content: ' \n' });
    expect(fold.reasoning).toEqual([]);
  });
});

describe('calls', () => {
  const called = (name: string) => ({ tool: name, path: `helper/${name}`, call_id: name });

  test('of one tool that run beside each other end one by one', () => {
    const fold = stream();
    take(fold, 1, 'tool_start', { ...called('read'), path: 'helper/read' });
    take(fold, 2, 'tool_start', { ...called('read'), path: 'helper/read#2' });
    expect(
      take(fold, 3, 'tool_end', { tool: 'read', path: 'helper/read#2', outcome: 'error', content: 'no' }),
    ).toBe(TOOLS);
    expect([...fold.tools.values()].map((each) => [each.status, each.error])).toEqual([
      ['running', null],
      ['error', 'no'],
    ]);
  });

  test('that somebody edited are gone until they are made', () => {
    const fold = stream();
    take(fold, 1, 'tool_start', called('write'));
    take(fold, 2, 'tool_end', { ...called('write'), outcome: 'put_off' });
    expect(fold.tools.size).toBe(0);
    expect(take(fold, 3, 'tool_end', { ...called('unknown'), outcome: 'success' })).toBe(0);
  });

  test('that never ended are stopped when the run is over', () => {
    const fold = stream();
    take(fold, 1, 'tool_start', called('write'));
    fold.take('sub_agent_start', aChunk(2, 'sub_agent_start', { path: 'helper/x', sub_agent_id: 'x' }));
    fold.take('workflow_complete', {
      workflow_id: 'w',
      run_id: 'r',
      status: 'error',
      error: 'its server stopped',
    });
    expect(fold.tools.get('helper/write')?.status).toBe('cancelled');
    expect(fold.agents.get('helper/x')?.status).toBe('cancelled');
    expect([fold.status, fold.error]).toEqual(['error', 'its server stopped']);
  });
});

describe('sub-agents', () => {
  const told = (
    seq: number,
    type: 'sub_agent_start' | 'sub_agent_progress' | 'sub_agent_complete' | 'sub_agent_error',
    more = {},
  ) =>
    [
      type,
      aChunk(seq, type, {
        path: 'helper/x',
        parent_path: 'helper',
        sub_agent_id: 'x',
        sub_agent_name: 'X',
        ...more,
      }),
    ] as const;

  test('tell what they do, also from the path of a step of theirs', () => {
    const fold = stream();
    fold.take(...told(1, 'sub_agent_start', { content: 'the task' }));
    const changed = fold.take(
      ...told(2, 'sub_agent_progress', {
        path: 'helper/x/step',
        parent_path: 'helper/x',
        progress: 40,
        content: 'half',
      }),
    );
    expect(changed).toBe(AGENTS);
    expect(fold.agents.get('helper/x')).toMatchObject({
      status: 'running',
      progress: 40,
      message: 'half',
      task: 'the task',
    });
    expect(fold.take(...told(3, 'sub_agent_progress', { path: 'other', parent_path: '' }))).toBe(0);
  });

  test.each([
    ['sub_agent_complete', 'partial', 'completed'],
    ['sub_agent_error', 'cancelled', 'cancelled'],
    ['sub_agent_error', 'timed_out', 'error'],
  ] as const)('that end with %s and %s are %s', (type, outcome, status) => {
    const fold = stream();
    fold.take(...told(1, 'sub_agent_start'));
    fold.take(...told(2, type, { outcome, duration: 7 }));
    expect(fold.agents.get('helper/x')).toMatchObject({ status, duration: 7 });
  });
});

test('tasks are the workflow’s: they stay from one execution to the next, and go when they are deleted', () => {
  const fold = stream();
  const task = { task_id: 't', task_name: 'Tidy', task_status: 'in_progress', task_priority: 1 };
  expect(take(fold, 2, 'task_create', task) & TASKS).toBe(TASKS);
  take(fold, 1, 'token', { run_id: 'another', content: 'Hi' });
  expect([...fold.tasks.values()]).toMatchObject([{ name: 'Tidy', status: 'in_progress', priority: 1 }]);
  take(fold, 2, 'task_update', { run_id: 'another', task_id: 't', task_status: 'deleted' });
  expect(fold.tasks.size).toBe(0);
});

test('what waits for somebody is known until it is decided, or the run is over', () => {
  const fold = stream();
  const asked = { ...aChunk(1, 'error'), validation_id: 'v', operation: 'delete it' };
  expect(fold.take('validation_required', asked) & PEOPLE).toBe(PEOPLE);
  expect(fold.take('validation_required', asked)).toBe(0);
  take(fold, 2, 'user_question_start', { question_id: 'q' });
  expect([...fold.waiting.values()].map((each) => each.kind)).toEqual(['validation', 'question']);
  fold.take('validation_response', { ...aChunk(3, 'error'), validation_id: 'v', approved: true });
  take(fold, 4, 'user_question_complete', { question_id: 'q' });
  expect(fold.waiting.size).toBe(0);
});

test('an error is told, and a run that was interrupted goes on', () => {
  const fold = stream();
  take(fold, 1, 'error', { content: 'it broke' });
  expect(fold.error).toBe('it broke');
  fold.take('workflow_complete', { workflow_id: 'w', run_id: 'r', status: 'error', error: null });
  expect([fold.status, fold.error]).toEqual(['error', 'it broke']);
  expect(take(fold, 2, 'token', { content: 'on' }) & FLAGS).toBe(FLAGS);
  expect([fold.status, fold.error]).toEqual(['running', null]);
  expect(fold.take('anything', {})).toBe(0);
});
