/** That a run's plans are drawn anew when one of them has changed, and only then. */
import { expect, test } from 'vitest';
import type { PlanItem } from '$types/plan';
import { openPlans } from './plans.svelte';
import { FakeServer, settled } from './testing/server';

test('plans that got the paths of their steps are shown, the same ones are kept', async () => {
  const planned = (path: string | null) => [{ path: 'run/plan', plan: { operations: [{ path }] } }];
  let told = planned(null);
  new FakeServer({ 'GET /api/runs/r/plan': () => told });
  const plans = openPlans('r');
  await settled();
  const before = plans.items;
  await plans.load();
  expect(plans.items).toBe(before);
  told = planned('run/read');
  await plans.load();
  expect(plans.items).toEqual(told as unknown as PlanItem[]);
  plans.close();
});
