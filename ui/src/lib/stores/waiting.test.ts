/** Notices of what begins to wait elsewhere: told once, and gone when it was decided. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { router } from '$lib/router.svelte';
import { frame } from './frame.svelte';
import { FakeServer, paged, settled } from './testing/server';
import { toastStore } from './toasts.svelte';
import { validationStore } from './validation';
import { noticeWaiting } from './waiting';

let rows: { id: string; workflow_id: string }[] = [];
let stop = (): void => {};

function call(id: string, workflow_id = 'w'): (typeof rows)[number] {
  return { id, workflow_id };
}

async function load(...waiting: typeof rows): Promise<void> {
  rows = waiting;
  await validationStore.load();
  await settled();
}

beforeEach(async () => {
  new FakeServer({
    'GET /api/validations': () => paged(rows.toReversed()),
    'GET /api/questions': () => paged([]),
  });
  validationStore.reset();
  router.go('runs');
  stop = noticeWaiting();
  await load(call('old'));
});
afterEach(() => {
  stop();
  for (const toast of toastStore.shown) toastStore.close(toast.id);
  frame.decision = null;
});

test('what waited before the page was open is not told, what begins to wait is, and leads to the decision', async () => {
  expect(toastStore.shown).toEqual([]);
  await load(call('old'), call('new'));
  const [toast] = toastStore.shown;
  expect(toast).toMatchObject({ kind: 'waiting', text: '“A workflow” waits for your decision', stays: 0 });
  toast?.action?.run();
  expect(frame.decision).toEqual({ id: 'new', kind: 'call' });
});

test('several calls of one workflow are told once, until the last of them is decided', async () => {
  await load(call('a'), call('b'));
  expect(toastStore.shown).toHaveLength(1);
  await load(call('a'));
  expect(toastStore.shown).toHaveLength(1);
  await load();
  expect(toastStore.shown).toEqual([]);
});

test('a notice that was closed does not come back for the same call', async () => {
  await load(call('a'));
  toastStore.close(toastStore.shown[0]?.id ?? 0);
  await load(call('a'));
  expect(toastStore.shown).toEqual([]);
});

test('nothing is told of a conversation that is looked at, nor beside the list', async () => {
  router.go('workflows/w');
  await load(call('a'));
  expect(toastStore.shown).toEqual([]);
  router.go('workflows/w', { tab: 'timeline' });
  await load(call('a'), call('b'));
  expect(toastStore.shown).toHaveLength(1);
  router.go('approvals');
  await load(call('a'), call('b'), call('c', 'v'));
  expect(toastStore.shown).toHaveLength(1);
});
