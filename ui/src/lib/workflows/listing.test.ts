// @vitest-environment node
/** The list of workflows: sections, moving, names, what waits and what has just ended. */
import { expect, test } from 'vitest';
import type { Workflow } from '$types/workflow';
import { demonstrationOf, endedElsewhere, initials, moved, rowsOf, waitingBy, wrongName } from './listing';

function workflow(id: string, more: Partial<Workflow> = {}): Workflow {
  return {
    id,
    name: `Workflow ${id}`,
    agent_id: 'surveyor',
    status: 'completed',
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
    completed_at: null,
    total_tokens_input: 0,
    total_tokens_output: 0,
    total_cost_usd: 0,
    model_id: null,
    current_context_tokens: 0,
    ...more,
  };
}
const told = (rows: ReturnType<typeof rowsOf>) =>
  rows.map((row) => (row.kind === 'heading' ? `${row.section} ${row.count}` : row.workflow.id));

test('what runs comes first, then what has just ended, then the others in their order', () => {
  const all = [workflow('a'), workflow('b', { status: 'running' }), workflow('c'), workflow('d')];
  expect(told(rowsOf(all, new Set(['c'])))).toEqual(['running 1', 'b', 'fresh 1', 'c', 'rest 2', 'a', 'd']);
});

test('one section needs no heading', () => {
  expect(told(rowsOf([workflow('a'), workflow('b')], new Set()))).toEqual(['a', 'b']);
  expect(rowsOf([], new Set())).toEqual([]);
});

test('keys move over headings and stop at the ends', () => {
  const rows = rowsOf([workflow('a'), workflow('b', { status: 'running' })], new Set());
  expect(told(rows)).toEqual(['running 1', 'b', 'rest 1', 'a']);
  expect(moved(rows, 1, 'ArrowDown')).toBe(3);
  expect(moved(rows, 3, 'ArrowDown')).toBe(3);
  expect(moved(rows, 3, 'ArrowUp')).toBe(1);
  expect(moved(rows, 1, 'ArrowUp')).toBe(1);
  expect(moved(rows, 3, 'Home')).toBe(1);
  expect(moved(rows, 1, 'End')).toBe(3);
  expect(moved(rows, 1, 'x')).toBeNull();
  expect(moved([], 0, 'End')).toBeNull();
});

test('a name has 1 to 256 characters, counted as people count, and no control characters', () => {
  expect(wrongName('  ')).toBe('required');
  expect(wrongName('😀'.repeat(256))).toBeNull();
  expect(wrongName('😀'.repeat(257))).toBe('tooLong');
  expect(wrongName('a\nb')).toBe('controls');
  expect(wrongName('Étude n° 1')).toBeNull();
});

test('letters stand for a name', () => {
  expect(initials('Survey of the examples')).toBe('SO');
  expect(initials('  😀 party ')).toBe('😀P');
  expect(initials('')).toBe('?');
});

test('what waits is counted by workflow', () => {
  const found = waitingBy([{ workflow_id: 'a' }, { workflow_id: 'b' }, { workflow_id: 'a' }]);
  expect([...found]).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});

test('what ended while another was looked at stands out, for ten minutes', () => {
  const now = 10_000_000;
  const ended = (workflowId: string, at: number | null, status = 'completed') => ({
    workflowId,
    status,
    ended: at,
  });
  const found = endedElsewhere(
    [
      ended('seen', now - 5_000),
      ended('fresh', now - 5_000, 'error'),
      ended('shown', now - 5_000),
      ended('old', now - 700_000),
      ended('before', now - 60_000),
      ended('runs', null, 'running'),
    ],
    new Map([['seen', now - 1_000]]),
    now - 50_000,
    'shown',
    now,
  );
  expect([...found]).toEqual(['fresh']);
});

test('the demonstration is the oldest survey that has completed', () => {
  const all = [
    workflow('new', { created_at: '2026-02-01T00:00:00Z' }),
    workflow('old'),
    workflow('other', { agent_id: 'helper', created_at: '2025-01-01T00:00:00Z' }),
  ];
  expect(demonstrationOf(all)).toBe('old');
  expect(demonstrationOf([workflow('x', { status: 'running' })])).toBeNull();
});
