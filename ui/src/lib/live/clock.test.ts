// @vitest-environment node
/** Elapsed times are right where the clocks of server and browser differ. */
import { expect, test } from 'vitest';
import { ServerClock } from './clock';

test('clocks that may agree do', () => {
  const clock = new ServerClock();
  clock.seen(99_900, 100_000);
  clock.answered(99_000, 99_950);
  expect(clock.ahead).toBe(0);
  expect(clock.now(5)).toBe(5);
});

test('a server whose clock is ahead is believed', () => {
  const clock = new ServerClock();
  clock.seen(160_000, 100_000);
  clock.seen(101_000, 100_000);
  expect(clock.ahead).toBe(60_000);
});

test('a server whose clock is behind is known by the dates of its answers', () => {
  const clock = new ServerClock();
  clock.answered(40_000, 100_000);
  expect(clock.ahead).toBe(-59_000);
  clock.seen(40_500, 100_000);
  expect(clock.ahead).toBe(-59_000);
});

test('a clock that was set makes what was known before void', () => {
  const clock = new ServerClock();
  clock.seen(160_000, 100_000);
  clock.answered(40_000, 100_000);
  expect(clock.ahead).toBe(-59_000);
  clock.answered(Number.NaN, 1);
  expect(clock.ahead).toBe(-59_000);
});
