/** The executions of a workflow: all pages, the one that is shown, and what is told of them while it happens. */
import { expect, test, vi } from 'vitest';
import type { Execution } from '$types/workflow';

const answers = vi.hoisted(() => ({ all: [] as unknown[], asked: 0 }));
vi.stubGlobal('fetch', (request: Request) => {
  answers.asked++;
  const query = new URL(request.url).searchParams;
  const from = Number(query.get('offset'));
  return Promise.resolve(Response.json(answers.all.slice(from, from + Number(query.get('limit')))));
});
const { live } = await import('$lib/live/live');
const { Executions } = await import('./executions.svelte');

function execution(ordinal: number, status: Execution['status'] = 'completed'): Execution {
  return {
    run_id: `r${ordinal}`,
    workflow_id: 'w',
    message: 'm',
    agent_id: 'a',
    locale: 'en',
    ordinal,
    status,
    created_at: ordinal,
    started_at: ordinal,
    ended_at: null,
    error: null,
    rerun: null,
    tokens_input: 0,
    tokens_output: 0,
    cost_usd: null,
    model_id: null,
  };
}
function tell(data: object): void {
  live.take({ kind: 'events', events: [['workflow_update', JSON.stringify(data), '1']] } as never);
}

test('all pages are loaded, in their order', async () => {
  answers.all = Array.from({ length: 450 }, (_, place) => execution(place + 1));
  const executions = new Executions('w');
  await vi.waitFor(() => expect(executions.loading).toBe(false));
  expect(executions.list).toHaveLength(450);
  expect(executions.shown?.run_id).toBe('r450');
  expect(executions.of('r7')?.ordinal).toBe(7);
  expect(executions.of(null)).toBeNull();
  executions.close();
});

test('what waits is not shown before what runs', async () => {
  answers.all = [execution(1), execution(2, 'running'), execution(3, 'queued')];
  const executions = new Executions('w');
  await vi.waitFor(() => expect(executions.loading).toBe(false));
  expect(executions.shown?.run_id).toBe('r2');
  answers.all = [execution(1, 'queued')];
  await executions.load();
  expect(executions.shown?.run_id).toBe('r1');
  executions.close();
});

test('a change is shown at once, and loaded a moment later, once for many', async () => {
  answers.all = [execution(1, 'running')];
  const executions = new Executions('w');
  await vi.waitFor(() => expect(executions.loading).toBe(false));
  const before = answers.asked;
  answers.all = [execution(1), execution(2, 'running')];
  tell({ workflow_id: 'other', run_id: 'r1', status: 'error' });
  tell({ workflow_id: 'w', run_id: 'r1', status: 'completed' });
  tell({ workflow_id: 'w', run_id: 'r2', status: 'running' });
  expect(executions.of('r1')?.status).toBe('completed');
  await vi.waitFor(() => expect(executions.shown?.run_id).toBe('r2'));
  expect(answers.asked).toBe(before + 1);
  executions.close();
  tell({ workflow_id: 'w', run_id: 'r2', status: 'completed' });
  expect(executions.of('r2')?.status).toBe('running');
});
