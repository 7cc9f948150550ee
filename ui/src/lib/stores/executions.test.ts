/** The executions of a workflow: all pages, the one that is shown, and what is told of them while it happens. */
import { expect, test, vi } from 'vitest';
import type { Execution } from '$types/workflow';

const answers = vi.hoisted(() => ({ all: [] as unknown[], asked: 0, hold: Promise.resolve() }));
vi.stubGlobal('fetch', async (request: Request) => {
  answers.asked++;
  await answers.hold;
  const query = new URL(request.url).searchParams;
  const from = Number(query.get('offset'));
  return Response.json(answers.all.slice(from, from + Number(query.get('limit'))));
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

test('an answer that is slow is shown although more is told meanwhile, and asked for once more after it', async () => {
  answers.all = [execution(1, 'running')];
  const executions = new Executions('w');
  await vi.waitFor(() => expect(executions.loading).toBe(false));
  const before = answers.asked;
  let go: () => void = () => {};
  answers.hold = new Promise((done) => (go = done));
  answers.all = [execution(1), execution(2, 'running')];
  tell({ workflow_id: 'w', run_id: 'r2', status: 'running' });
  await vi.waitFor(() => expect(answers.asked).toBe(before + 1));
  for (let time = 0; time < 5; time++) {
    tell({ workflow_id: 'w', run_id: 'r2', status: 'running' });
    await new Promise((done) => setTimeout(done, 30));
  }
  expect(answers.asked).toBe(before + 1);
  go();
  await vi.waitFor(() => expect(executions.shown?.run_id).toBe('r2'));
  await vi.waitFor(() => expect(answers.asked).toBe(before + 2));
  executions.close();
});
