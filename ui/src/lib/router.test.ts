/** Addresses and views. */
import { expect, test } from 'vitest';
import { routeOf, router } from './router.svelte';

test.each([
  ['', 'workflows', {}],
  ['workflows/7', 'workflow', { id: '7' }],
  ['runs/a%2Fb', 'run', { id: 'a/b' }],
  ['runs/a/compare/b', 'compare', { id: 'a', other: 'b' }],
  ['settings/memory', 'settings', { section: 'memory' }],
  ['runs/a/b', 'unknown', {}],
  ['runs/%E0%A4%A', 'run', { id: '%E0%A4%A' }],
])('%s is %s', (path, name, params) => {
  expect(routeOf(path)).toEqual({ name, params });
});

test('slashes in front never make another host of a path', () => {
  expect(router.href('///runs/x')).toBe('/runs/x');
});

test('a part of the state is changed without losing the others, and removed by null', () => {
  router.go('runs', { q: 'a', status: 'failed' });
  router.set({ q: 'b', status: null });
  expect(router.query).toEqual({ q: 'b' });
  expect(location.search).toBe('?q=b');
});
