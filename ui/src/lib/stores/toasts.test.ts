/** Notices: the same one takes the place of itself, and of no other. */
import { expect, test } from 'vitest';
import { toastStore as store } from './toasts.svelte';

test('a notice is shown once, also when two things are called alike or wait for somebody', () => {
  store.success('“A” is completed', { href: '/a' });
  store.success('“A” is completed', { href: '/b' });
  const again = store.success('“A” is completed', { href: '/a' });
  expect(store.shown.map((each) => each.href)).toEqual(['/b', '/a']);
  store.close(again);
  for (const each of store.shown) store.close(each.id);
  store.show('waiting', 'decide');
  store.show('waiting', 'decide');
  store.info('decide');
  expect(store.shown.map((each) => each.kind)).toEqual(['waiting', 'waiting', 'info']);
});
