// @vitest-environment node
/** Which decisions fit a filter. */
import { expect, test } from 'vitest';
import type { AuditEntry } from '$types/validation';
import { fitting } from './audit';

function entry(id: string, more: Partial<AuditEntry> = {}): AuditEntry {
  return {
    id,
    workflow_id: 'w1',
    run_id: 'r1',
    agent_id: 'writer',
    tool_name: 'write_file',
    operation: 'Write a.txt',
    risk_level: 'medium',
    status: 'approved',
    choice: 'approve',
    decided_by: 'page',
    reason: '',
    edited: false,
    escalated: false,
    arguments: {},
    created_at: '2026-01-01T00:00:00Z',
    answered_at: '2026-01-01T00:00:05Z',
    waited: 5,
    ...more,
  };
}

const ALL = [
  entry('1'),
  entry('2', { status: 'rejected', reason: 'One is enough.', decided_by: null }),
  entry('3', { risk_level: 'high', operation: 'Remove b.txt' }),
];
const none = { text: '', status: '', risk: '' };
const ids = (filter: Partial<typeof none>) =>
  fitting(ALL, { ...none, ...filter }, () => 'Weekly report').map((each) => each.id);

test('decisions are found by all that is told of them', () => {
  expect(ids({})).toEqual(['1', '2', '3']);
  expect(ids({ text: 'ENOUGH one' })).toEqual(['2']);
  expect(ids({ text: 'weekly' })).toHaveLength(3);
  expect(ids({ status: 'approved', risk: 'high' })).toEqual(['3']);
  expect(ids({ text: 'nobody said this' })).toEqual([]);
});
