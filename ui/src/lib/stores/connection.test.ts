/** What the connection tells of whoever was refused and is let in again. */
import { expect, test } from 'vitest';
import { live } from '$lib/live/live';
import type { LinkState } from '$lib/live/told';
import { connectionStore } from './connection.svelte';

function stands(...states: LinkState[]): void {
  for (const state of states) live.take({ kind: 'link', state, tabs: 1, retryAt: null });
}

test('letting in is told once, after a refusal and no other break', () => {
  let count = 0;
  const stop = connectionStore.onLetIn(() => count++);
  stands('connected', 'reconnecting', 'connected');
  expect(count).toBe(0);
  stands('unauthorized', 'reconnecting', 'unauthorized', 'reconnecting', 'connected', 'connected');
  expect(count).toBe(1);
  stop();
  stands('unauthorized', 'connected');
  expect(count).toBe(1);
});
