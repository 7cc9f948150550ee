/** The rows of the feed: rounds, times after their beginning, filters, and how an activity stands. */
import { expect, test } from 'vitest';
import type { ActivityType, WorkflowActivityEvent } from '$types/activity';
import { fileName } from './download';
import { feedRows, statusOf } from './feed';

let made = 0;
function event(run: string, timestamp: number, type: ActivityType = 'tool_complete'): WorkflowActivityEvent {
  const metadata = run ? { run_id: run } : {};
  const id = `e${++made}`;
  return { id, timestamp, type, title: type, description: '', status: 'completed', duration: 1, metadata };
}
const told = (rows: ReturnType<typeof feedRows>) =>
  rows.map((row) => (row.kind === 'round' ? `round ${row.number}` : `${row.place} +${row.since}`));

test('one round needs no line; times count from the beginning of the run', () => {
  const all = [event('r', 1000), event('r', 1500)];
  expect(told(feedRows(all, 'all'))).toEqual(['1 +0', '2 +500']);
  expect(told(feedRows(all, 'all', new Map([['r', 900]])))).toEqual(['1 +100', '2 +600']);
});

test('a line tells where another round begins, with the number that it has in the workflow', () => {
  const started = new Map([
    ['one', 0],
    ['two', 1000],
    ['three', 2000],
  ]);
  const rows = feedRows(
    [event('two', 1100), event('', 1200, 'task_create'), event('three', 2100)],
    'all',
    started,
  );
  expect(told(rows)).toEqual(['round 2', '1 +100', '2 +200', 'round 3', '3 +100']);
});

test('a filter leaves out what it does not name, and lines of rounds that are empty then', () => {
  const all = [event('a', 0, 'reasoning'), event('b', 10), event('b', 20, 'reasoning')];
  expect(told(feedRows(all, 'tools'))).toEqual(['round 2', '1 +0']);
  expect(told(feedRows(all, 'agents'))).toEqual([]);
});

test('rows have keys of their own', () => {
  const keys = feedRows([event('a', 0), event('b', 1), event('a', 2), event('b', 3)], 'all').map(
    (row) => row.key,
  );
  expect(new Set(keys).size).toBe(keys.length);
});

test('what a person must decide is told as waiting, what was stopped as cancelled', () => {
  const asked = { ...event('a', 0, 'validation'), status: 'pending' as const };
  expect(statusOf(asked)).toBe('waiting');
  expect(statusOf({ ...asked, status: 'completed' })).toBe('completed');
  expect(statusOf({ ...event('a', 0), metadata: { cancelled: true } })).toBe('cancelled');
});

test('ten thousand activities become rows in a few milliseconds', () => {
  const all = Array.from({ length: 10_000 }, (_, place) => event(`run ${Math.floor(place / 500)}`, place));
  const before = performance.now();
  const rows = feedRows(all, 'all');
  expect(rows).toHaveLength(10_020);
  expect(performance.now() - before).toBeLessThan(500);
});

test('a file is named as every system takes it', () => {
  expect(fileName('Étude: n° 1/2', '.json')).toMatch(/^[\w.-]+\.json$/);
  expect(fileName('…', '.json')).toBe('stretto.json');
});
