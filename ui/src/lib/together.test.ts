/** That what overlaps is counted at its most, however much there is. */
import { expect, test } from 'vitest';
import { mostTogether } from './together';

test('the most at once is counted; what ends when another begins is over, and what has no end goes on', () => {
  expect(mostTogether([])).toBe(0);
  const apart = [
    [0, 5],
    [5, 9],
  ] as const;
  expect(mostTogether(apart)).toBe(1);
  const open = [
    [0, Infinity],
    [1, Infinity],
    [2, 3],
    [4, 5],
  ] as const;
  expect(mostTogether(open)).toBe(3);
  expect(mostTogether(Array.from({ length: 50_000 }, (_, at) => [at, at + 3] as const))).toBe(3);
});
