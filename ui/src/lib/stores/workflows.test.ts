/** The list of workflows follows what happens to them, wherever it was done. */
import { beforeEach, describe, expect, test } from 'vitest';
import { get } from 'svelte/store';
import { router } from '$lib/router.svelte';
import * as all from './workflows';
import { aWorkflow } from './testing/rows';
import { FakeServer, paged, Refusal, settled } from './testing/server';

const { workflowStore: store } = all;
const names = () => get(all.workflows).map((each) => each.name);
let server: FakeServer;
let known: ReturnType<typeof aWorkflow>[];

beforeEach(async () => {
  known = [
    aWorkflow('a', { name: 'Alpha', updated_at: '2026-01-03T00:00:00Z' }),
    aWorkflow('b', { name: 'Beta', updated_at: '2026-01-02T00:00:00Z' }),
  ];
  server = new FakeServer({
    'GET /api/workflows': () => paged(known),
    'GET /api/workflows/*': (_, url) => {
      const found = known.find((each) => each.id === url.pathname.split('/').at(-1));
      if (!found) throw new Refusal(404, 'not_found');
      return found;
    },
  });
  store.reset();
  store.start();
  history.replaceState(null, '', '/workflows');
  dispatchEvent(new PopStateEvent('popstate'));
  await store.loadWorkflows();
});

test('they are loaded, page by page, last changed first', async () => {
  expect(names()).toEqual(['Alpha', 'Beta']);
  const many = Array.from({ length: 450 }, (_, number) => aWorkflow(`${number}`));
  server.on('GET /api/workflows', (_, url) => {
    const offset = Number(url.searchParams.get('offset'));
    return { items: many.slice(offset, offset + 200), total: 450, limit: 200, offset };
  });
  const loaded = store.loadWorkflows();
  expect(get(all.workflowsLoading)).toBe(true);
  await loaded;
  expect([get(all.workflows).length, get(all.workflowsLoading)]).toEqual([450, false]);
});

test('what cannot be loaded is told, and goes when it can', async () => {
  server.on('GET /api/workflows', () => {
    throw new Refusal(503, 'store_unavailable');
  });
  await store.loadWorkflows();
  expect(get(all.workflowsError)).toBe('refused with 503');
  expect(get(all.workflowsRefusal)).toMatchObject({ status: 503, code: 'store_unavailable' });
  expect(names()).toEqual(['Alpha', 'Beta']);
  server.on('GET /api/workflows', () => paged(known));
  await store.loadWorkflows();
  expect([get(all.workflowsError), get(all.workflowsRefusal)]).toEqual([null, null]);
});

test('one is selected by its address, and the address by it', () => {
  store.select('b');
  expect(get(all.selectedWorkflowId)).toBe('b');
  expect(get(all.selectedWorkflow)?.name).toBe('Beta');
  expect(store.getSelected()?.name).toBe('Beta');
  expect(router.params.id).toBe('b');
  expect(store.last()).toBe('b');
  store.select(null);
  expect([store.getSelected(), get(all.selectedWorkflow)]).toEqual([undefined, undefined]);
});

test('they are found by a part of their names, in any case', () => {
  store.setSearchFilter('  ALPH ');
  expect(get(all.filteredWorkflows).map((each) => each.id)).toEqual(['a']);
  expect(get(all.workflowSearchFilter)).toBe('  ALPH ');
  store.setSearchFilter('');
  expect(get(all.filteredWorkflows).length).toBe(2);
});

describe('what is done here', () => {
  test('a new one is in the list when it has its id', async () => {
    server.on('POST /api/workflows', (body) => {
      expect(body).toEqual({ name: 'New', agent_id: 'helper' });
      known.push(aWorkflow('n', { name: 'New', updated_at: '2026-02-01T00:00:00Z' }));
      return Response.json({ id: 'n' }, { status: 201 });
    });
    expect(await store.create('New', 'helper')).toBe('n');
    expect(names()).toEqual(['New', 'Alpha', 'Beta']);
  });

  test('another name is shown at once, and taken back when it is refused', async () => {
    server.on('PATCH /api/workflows/*', () => {
      throw new Refusal(422, 'invalid');
    });
    const done = store.rename('a', 'Other');
    expect(names()).toContain('Other');
    await expect(done).rejects.toMatchObject({ status: 422 });
    expect(names()).toContain('Alpha');
    server.on('PATCH /api/workflows/*', () => ({ ...known[0], name: 'Third' }));
    expect((await store.rename('a', 'Third')).name).toBe('Third');
    expect(names()).toContain('Third');
  });

  test('one that is deleted is gone, and its address with it', async () => {
    server.on('DELETE /api/workflows/*', () => undefined);
    store.select('a');
    await store.remove('a');
    expect(names()).toEqual(['Beta']);
    expect([get(all.selectedWorkflowId), router.name]).toEqual([null, 'workflows']);
  });
});

describe('what is done elsewhere', () => {
  const told = (workflow_id: string, status: string, more = {}) =>
    server.tell('workflow_update', { workflow_id, status, ...more });
  const gathered = () => new Promise((done) => setTimeout(done, 80)).then(settled);

  test('is loaded once, however much of it is told', async () => {
    known = known.map((each) => (each.id === 'a' ? { ...each, name: 'Changed' } : each));
    for (let time = 0; time < 5; time++) told('a', 'renamed');
    told('a', 'task_changed', { task_id: 't' });
    await gathered();
    expect(names()).toContain('Changed');
    expect(server.bodies('GET /api/workflows/*').length).toBe(1);
  });

  test('a run shows at once, a deletion too, one that was missed when it is asked for', async () => {
    told('b', 'running', { run_id: 'r' });
    expect(get(all.workflows).find((each) => each.id === 'b')?.status).toBe('running');
    told('a', 'deleted');
    expect(names()).toEqual(['Beta']);
    known = [];
    server.tell('workflow_complete', {
      workflow_id: 'b',
      run_id: 'r',
      seq: 1,
      ts: 1,
      status: 'completed',
      error: null,
    });
    await gathered();
    expect(names()).toEqual([]);
  });

  test('does not bring one back that was deleted while it was loaded', async () => {
    let go: () => void = () => {};
    server.on('GET /api/workflows/*', () => new Promise((done) => (go = () => done(known[0]))));
    told('a', 'renamed');
    await gathered();
    told('a', 'deleted');
    go();
    await settled();
    expect(names()).toEqual(['Beta']);
  });

  test('while the list is loaded is not lost', async () => {
    let go: () => void = () => {};
    server.on('GET /api/workflows', () => new Promise((done) => (go = () => done(paged(known)))));
    const loaded = store.loadWorkflows();
    await settled();
    store.upsert(aWorkflow('c', { name: 'Gamma' }));
    told('a', 'deleted');
    go();
    await loaded;
    expect(names().sort()).toEqual(['Beta', 'Gamma']);
  });
});
