/** What an answer was made of, which steps ran together, and what the conversation shows of it. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ActiveSubAgent, ActiveTool } from '$types/streaming';
import type { ValidationRequest } from '$types/validation';
import type {
  Execution,
  Message,
  SubAgentExecution,
  ToolExecution,
  WorkflowFullState,
} from '$types/workflow';
import { lengthOf, recalled } from './composing';
import { draftOf, keepDraft, keepUnsent } from './drafts';
import { rowsOf } from './list';
import { batchesOf, cardsOf, decisionsOf, partsOf, partsOfStream, type Call } from './parts';
import { sentTexts, turnsOf } from './turns';

afterEach(() => {
  localStorage.clear();
  vi.restoreAllMocks();
});

function call(path: string, started: number, duration: number | null): Call {
  const about = { name: path, server: null, attempt: 1, error: null, input: null, output: null };
  return {
    kind: 'call',
    id: path,
    path,
    started,
    duration,
    status: duration === null ? 'running' : 'completed',
    ...about,
  };
}

function message(run: string, role: 'user' | 'assistant', content: string): Message {
  const at = '2026-01-01T00:00:00Z';
  return {
    id: `${run} ${role} ${content}`,
    workflow_id: 'w',
    run_id: run,
    role,
    content,
    timestamp: at,
    created_at: at,
  };
}

describe('decisions', () => {
  const asked = (id: string, more: Partial<ValidationRequest> = {}) =>
    ({
      id,
      status: 'approved',
      answered_at: 'then',
      edited: false,
      operation: 'add',
      ...more,
    }) as ValidationRequest;

  it('that are alike are one line, those that wait or were edited are not', () => {
    const open = { status: 'pending', answered_at: null } as const;
    const rows = [asked('a'), asked('b'), asked('c', { edited: true }), asked('d', open), asked('e', open)];
    const shown = decisionsOf([...rows, asked('f', { status: 'rejected' })]);
    expect(shown.map(({ request, count }) => `${request.id} ${count}`)).toEqual([
      'a 2',
      'c 1',
      'd 1',
      'e 1',
      'f 1',
    ]);
  });
});

describe('steps', () => {
  it('that overlap are one batch, and say how many at once', () => {
    const calls = [
      call('a', 0, 10),
      call('b', 5, 10),
      call('c', 12, 3),
      call('d', 20, 5),
      call('e', 30, null),
    ];
    const found = batchesOf({ calls, helpers: [] });
    expect(found.map((each) => each.steps.map((step) => step.id))).toEqual([['a', 'b', 'c'], ['d'], ['e']]);
    expect(found.map((each) => each.together)).toEqual([2, 1, 1]);
    expect(found.map((each) => each.duration)).toEqual([15, 5, null]);
    expect(cardsOf(found).map((each) => each.steps.length)).toEqual([3, 2]);
  });

  it('that run now hold what begins after them', () => {
    const found = batchesOf({ calls: [call('a', 0, null), call('b', 100, 5)], helpers: [] });
    expect(found).toMatchObject([{ together: 2, duration: null }]);
  });

  it('say that a call was cancelled as the stream did, and that a time limit made one fail', () => {
    const called = (path: string, error_message: string) =>
      ({ id: path, run_id: 'r', path, tool_name: path, success: false, error_message }) as unknown as ToolExecution; // prettier-ignore
    const state = {
      tool_executions: [
        called('a', 'it was stopped: cancelled by the user'),
        called('b', 'it was stopped: it took longer than 5 s'),
        called('c', 'no such file'),
      ],
      sub_agent_executions: [], thinking_steps: [], validations: [], questions: [],
    } as unknown as WorkflowFullState; // prettier-ignore
    const found = partsOf(state)
      .get('r')
      ?.calls.map((each) => each.status);
    expect(found).toEqual(['cancelled', 'error', 'error']);
  });

  it('of a sub-agent stand below it, and the call that started it is not told twice', () => {
    const row = {
      id: '1', run_id: 'r', path: 'x/tools/Spawn/run/y', sub_agent_id: 'y', sub_agent_name: '', status: 'pending',
      created_at: '2026-01-01T00:00:00Z', duration_ms: null, task_description: 'do', result_summary: null,
      error_message: null, tokens_input: 1, tokens_output: 2, cost_usd: null,
    } as unknown as SubAgentExecution; // prettier-ignore
    const tool = (path: string) =>
      ({ id: path, run_id: 'r', path, tool_name: path, server_name: null, success: true, created_at: '2026-01-01T00:00:01Z',
        duration_ms: 5, error_message: null, input_params: {}, output_result: '' }) as unknown as ToolExecution; // prettier-ignore
    const state = {
      tool_executions: [tool('x/tools/Spawn'), tool('x/tools/Spawn/run/y/tools/read'), tool('x/tools/other')],
      sub_agent_executions: [row], thinking_steps: [], validations: [], questions: [],
    } as unknown as WorkflowFullState; // prettier-ignore
    const parts = partsOf(state).get('r');
    const [batch] = parts ? batchesOf(parts) : [];
    expect(batch?.steps.map((step) => step.path)).toEqual(['x/tools/Spawn/run/y', 'x/tools/other']);
    expect(batch?.steps[0]).toMatchObject({
      kind: 'helper',
      name: 'y',
      status: 'running',
      tokens: 3,
      calls: [{ path: 'x/tools/Spawn/run/y/tools/read' }],
    });
    expect(partsOf(null).size).toBe(0);
  });

  it('of the stream are told alike', () => {
    const tool = {
      id: 't',
      name: 'n',
      status: 'running',
      path: 'p',
      started: 1,
      duration: null,
      attempt: 2,
      error: null,
    } as ActiveTool;
    const agent = { id: 's', agent_id: 'a', name: '', path: 'q', status: 'completed', progress: 100, started: 1, duration: 2,
      metrics: { duration_ms: 2, tokens_input: 3, tokens_output: 4 }, task: '', message: '', error: null } as unknown as ActiveSubAgent; // prettier-ignore
    const thought = {
      id: 'h',
      content: 'c',
      path: 'p',
      run_id: 'r',
      agent: null,
      number: 1,
      started: 1,
      duration: 2,
    };
    const parts = partsOfStream([tool], [agent], [thought]);
    expect(parts.calls[0]).toMatchObject({ kind: 'call', attempt: 2, input: null });
    expect(parts.helpers[0]).toMatchObject({ name: 'a', tokens: 7, progress: null });
    expect(parts.thoughts[0]).toMatchObject({ content: 'c', duration: 2 });
  });
});

describe('turns', () => {
  const messages = [message('1', 'user', 'a'), message('1', 'assistant', 'b'), message('2', 'user', 'c')];
  const executions = [
    { run_id: '2', status: 'error', error: 'broken', rerun: { of: '1' } },
  ] as unknown as Execution[];

  it('tell how their execution ended', () => {
    const [first, second] = turnsOf(messages, executions);
    expect(first).toMatchObject({ status: null, again: false, answers: [{ content: 'b' }] });
    expect(second).toMatchObject({ status: 'error', error: 'broken', again: true, answers: [] });
  });

  it('become rows, the answer that is being made at the end', () => {
    const rows = rowsOf(turnsOf(messages, executions), new Map(), '2');
    expect(rows.map((row) => [row.kind, row.key])).toEqual([
      ['asked', '1 asked'],
      ['answer', '1 answer'],
      ['asked', '2 asked'],
      ['live', '2 answer'],
    ]);
    expect(rowsOf(turnsOf(messages, executions), new Map(), null).at(-1)).toMatchObject({
      kind: 'answer',
      message: null,
    });
  });

  it('remember what was sent, each text once and the newest first', () => {
    const sent = [message('1', 'user', 'a'), message('2', 'user', 'b'), message('3', 'user', 'a')];
    expect(sentTexts(sent)).toEqual(['a', 'b']);
  });
});

describe('a message that is written', () => {
  it('is as long as the server counts', () => {
    expect(lengthOf('a😀é')).toBe(3);
    expect(lengthOf('\ud83d')).toBe(1);
    expect(lengthOf('\ud83da')).toBe(2);
  });

  it('brings back what was sent with the arrows', () => {
    expect([recalled(-1, 1, 2), recalled(1, 1, 2), recalled(0, -1, 2), recalled(-1, 1, 0)]).toEqual([
      0, 1, -1, -1,
    ]);
  });

  it('is kept for its workflow until it is sent', () => {
    expect(keepDraft('w', 'half a thought')).toBe(true);
    expect(draftOf('w')).toBe('half a thought');
    expect(draftOf('v')).toBe('');
    keepDraft('w', '');
    expect(draftOf('w')).toBe('');
    expect(keepDraft('w', 'x'.repeat(30_000))).toBe(false);
    expect(draftOf('w').length).toBe(30_000);
    keepDraft('w', '');
    expect(draftOf('w')).toBe('');
  });

  it('holds what could not be sent before what was typed since, once', () => {
    keepUnsent('u', 'first');
    keepUnsent('u', 'first');
    expect(draftOf('u')).toBe('first');
    keepDraft('u', 'second');
    keepUnsent('u', 'first');
    expect(draftOf('u')).toBe('first\n\nsecond');
  });

  it('says where this browser keeps nothing', () => {
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    expect(keepDraft('w', 'x')).toBe(false);
  });
});
