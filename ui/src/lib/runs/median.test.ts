/** That every name gets its median, however many there are, a few asked for at once. */
import { expect, test } from 'vitest';
import { FakeServer, settled } from '$lib/stores/testing/server';
import { Medians } from './median';

test('forty names all get their median, at most four asked for at once', async () => {
  let [open, most] = [0, 0];
  new FakeServer({
    'GET /api/runs': async () => {
      most = Math.max(most, ++open);
      await Promise.resolve();
      open--;
      return { items: [{ duration: 2 }], total: 1, limit: 20, offset: 0 };
    },
  });
  const medians = new Medians();
  const names = Array.from({ length: 40 }, (_, at) => `name ${at}`);
  medians.need(names);
  for (let turn = 0; turn < 20; turn++) await settled();
  expect(names.every((name) => medians.of(name) === 2)).toBe(true);
  expect(most).toBeLessThanOrEqual(4);
});
