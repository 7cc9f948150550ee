/** The state of a workflow and of a run: its parts, what is found in them, and when it is loaded anew. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { api } from '$lib/api';
import type { RunDetail, WorkflowFullState } from '$types/api';
import type { TimelineSpan } from '$types/trace';
import { HeldState } from './held.svelte';
import { concerns, isSought, momentsOf, PARTS, partsOf, stepsOf, type Row } from './sections';

const TIME = '2026-01-02T10:00:00Z';
const AT = Date.parse(TIME);

function state(): WorkflowFullState {
  const rows: Record<string, unknown[]> = {
    messages: [
      { id: 'm', run_id: 'r1', role: 'user', content: 'Find\nrows', timestamp: TIME, duration_ms: null },
    ],
    tool_executions: [
      {
        id: 't1',
        run_id: 'r1',
        tool_name: 'read',
        server_name: 'files',
        success: true,
        path: 'a/b',
        created_at: TIME,
        duration_ms: 12,
      },
      { id: 't2', run_id: 'r2', tool_name: 'write', server_name: null, success: false, created_at: TIME },
      {
        id: 't3',
        run_id: 'r2',
        tool_name: 'wait',
        server_name: null,
        success: null,
        status: 'running',
        created_at: TIME,
      },
    ],
    thinking_steps: [{ id: 'h', content: 'Let me see', created_at: TIME }],
    sub_agent_executions: [
      { id: 's', sub_agent_name: 'coder', task_description: 'code', status: 'completed', created_at: TIME },
    ],
    tasks: [{ id: 'k', name: 'Read', status: 'in_progress', created_at: TIME }],
    validations: [{ id: 'v', tool_name: 'rm', status: 'approved', created_at: TIME }],
    questions: [{ id: 'q', question: 'Which?', answer: 'that', status: 'answered', created_at: TIME }],
    executions: [{ run_id: 'r1', ordinal: 1, message: 'Go', status: 'completed', created_at: TIME }],
  };
  return { ...rows, totals: { messages: 40 }, workflow: {}, spans: [] } as unknown as WorkflowFullState;
}

function span(path: string, start: number | null, end: number | null): TimelineSpan {
  const cut = path.lastIndexOf('/');
  const parent = cut < 0 ? '' : path.slice(0, cut);
  return {
    path,
    parent,
    name: path.slice(cut + 1),
    kind: 'tool',
    status: 'completed',
    start_ms: start,
    end_ms: end,
    error: null,
  } as TimelineSpan;
}

describe('the parts of a state', () => {
  const parts = partsOf(state());
  const row = (id: string, place = 0) => parts.find((part) => part.id === id)?.rows[place];

  it('are all told, with how many there are', () => {
    expect(parts.map((part) => part.id)).toEqual([...PARTS]);
    expect(parts[0]).toMatchObject({ total: 40 });
    expect(parts[1]).toMatchObject({ total: 3 });
  });

  it('name their rows and how those stand', () => {
    expect(row('messages')).toMatchObject({
      label: 'user',
      note: 'Find rows',
      status: null,
      at: AT,
      took: null,
    });
    expect(row('tool_executions')).toMatchObject({
      label: 'files.read',
      status: 'completed',
      took: 12,
      path: 'a/b',
    });
    expect(row('tool_executions', 1)).toMatchObject({ label: 'write', status: 'failed', path: null });
    expect(row('tool_executions', 2)).toMatchObject({ status: 'running' });
    expect(row('tasks')).toMatchObject({ label: 'Read', status: 'running' });
    expect(row('validations')).toMatchObject({ label: 'rm', status: 'completed' });
    expect(row('questions')).toMatchObject({ label: 'Which?', note: 'that', status: 'completed' });
    expect(row('executions')).toMatchObject({ key: 'r1', label: '1 Go', status: 'completed' });
    expect(row('thinking_steps')).toMatchObject({ label: 'Let me see' });
    expect(row('sub_agent_executions')).toMatchObject({ label: 'coder', note: 'code', status: 'completed' });
  });

  it('are searched by words, run and moment', () => {
    const any = { text: '', runId: null, since: null, until: null };
    const found = (more: Partial<typeof any> | { runId: string } | { since: number } | { until: number }) =>
      (parts[1]?.rows ?? [])
        .filter((each: Row) => isSought(each, { ...any, ...more }))
        .map((each) => each.key);
    expect(found({})).toEqual(['t1', 't2', 't3']);
    expect(found({ text: 'FILES' })).toEqual(['t1']);
    expect(found({ runId: 'r2' })).toEqual(['t2', 't3']);
    expect(found({ since: AT })).toEqual([]);
    expect(found({ since: AT - 1, until: AT })).toHaveLength(3);
    expect(found({ until: AT - 1 })).toEqual([]);
  });
});

describe('the steps of a run', () => {
  const spans = [
    span('flow', 0, 90),
    span('flow/a', 1, 20),
    span('flow/b', 21, null),
    span('flow/a/x', 2, 3),
  ];

  it('are rows whose values are asked for', () => {
    const { rows } = stepsOf(spans, 100);
    expect(rows[1]).toMatchObject({ key: 'flow/a', lazy: true, at: 100_001, took: 19 });
    expect(rows[2]).toMatchObject({ took: null });
  });

  it('give the moments to compare: the ends of the outer ones', () => {
    expect(momentsOf(spans, 100)).toEqual([{ at: 100_020, name: 'a', ms: 20 }]);
    expect(momentsOf([span('one', 0, 5)], 0).map((each) => each.name)).toEqual(['one']);
    expect(momentsOf([], 0)).toEqual([]);
  });
});

describe('a state that is held', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  function answering(): string[] {
    const asked: string[] = [];
    vi.spyOn(api, 'GET').mockImplementation(((path: string) => {
      asked.push(path);
      const data = path.includes('workflow_id') ? state() : ({ id: 'r1' } as RunDetail);
      return Promise.resolve({ data, response: new Response(null, { status: 200 }) });
    }) as unknown as typeof api.GET);
    return asked;
  }

  it('is loaded, and of a library run without a workflow', async () => {
    const asked = answering();
    const held = new HeldState('r1', null);
    await vi.waitFor(() => expect(held.loading).toBe(false));
    expect([held.state, held.run?.id, asked.length]).toEqual([null, 'r1', 1]);
    held.close();
  });

  it('is loaded anew once for much that changes, and not for words of an answer', async () => {
    vi.useFakeTimers();
    const asked = answering();
    const held = new HeldState('r1', 'w');
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
    held.told({ workflow_id: 'other', chunk_type: 'tool_end' });
    held.told({ workflow_id: 'w', chunk_type: 'token' });
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toHaveLength(2);
    for (let n = 0; n < 50; n++) held.told({ workflow_id: 'w', chunk_type: 'tool_end' });
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toHaveLength(4);
    held.close();
  });

  it('says what went wrong', async () => {
    vi.spyOn(api, 'GET').mockRejectedValue(new Error('gone'));
    const held = new HeldState('r1', 'w');
    await vi.waitFor(() => expect(String(held.error)).toBe('Error: gone'));
    expect(held.loading).toBe(false);
    held.close();
  });

  it('knows what concerns it', () => {
    expect(concerns({ run_id: 'r' }, null, 'r')).toBe(true);
    expect(concerns({ workflow_id: 'w' }, 'w', 'r')).toBe(true);
    expect(concerns({ workflow_id: null }, null, 'r')).toBe(false);
    expect(concerns('text', 'w', 'r')).toBe(false);
  });
});
