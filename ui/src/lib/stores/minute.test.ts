/** That "3 min ago" is told by the server's clock. */
import { expect, test } from 'vitest';
import { clock as server } from '$lib/live/clock';
import { clock } from './minute.svelte';

test('the page counts from what the server’s clock says', () => {
  const before = clock.now;
  server.seen(Date.now() + 3_600_000);
  expect(clock.now - before).toBeGreaterThan(3_500_000);
});
