/** What is typed into settings, rules that belong together, packages, prompts and memories, as they are read. */
import { expect, test } from 'vitest';
import { ApiError } from '$lib/api';
import type { ApprovalRule, ApprovalSettings, Package, PlannedItem } from '$types/api';
import { approvalChange, FIRST_TIMEOUT, moved } from './approvals';
import { readMemories, secondsOf } from './memories';
import { countsOf, neededBy, readPackage, renames } from './packages';
import { sectionOf } from './sections';
import {
  changeOf,
  readHeaders,
  readNumber,
  readTags,
  variableOf,
  writeHeaders,
  written,
  wrongFields,
} from './values';
import { pieces, variablesIn } from './variables';

const APPROVALS: ApprovalSettings = {
  mode: 'selective',
  tools: false,
  sub_agents: true,
  mcp: true,
  file_ops: true,
  db_ops: true,
  auto_approve_low: true,
  always_confirm_high: false,
  timeout: null,
  on_timeout: 'reject',
  escalation_timeout: null,
  rules: [],
};

test.each([
  ['', null],
  ['90', 90],
  ['1 500', 1500],
  ['1\u202f500', 1500],
  ['0,5', 0.5],
  ['.25', 0.25],
  ['2e3', 2000],
])('the number %s is read as %s', (text, value) => expect(readNumber(text)).toEqual({ value }));

test.each([
  ['x', {}, 'notNumber'],
  ['1.2.3', {}, 'notNumber'],
  ['1e999', {}, 'notNumber'],
  ['1.5', { whole: true }, 'notWhole'],
  ['29', { min: 30 }, 'outside'],
  ['301', { max: 300 }, 'outside'],
  ['0', { min: 0, above: true }, 'outside'],
] as const)('%s within %o is refused: %s', (text, bounds, wrong) =>
  expect(readNumber(text, bounds)).toEqual({ wrong }),
);

test('a setting is changed and named by its dotted key', () => {
  expect(changeOf('model', 'offline:reader')).toEqual({ model: 'offline:reader' });
  expect(changeOf('server.keep_days', null)).toEqual({ server: { keep_days: null } });
  expect(variableOf('server.keep_days')).toBe('STRETTO_SERVER__KEEP_DAYS');
  expect(written(null)).toBe('');
  expect(written(0)).toBe('0');
});

test('what the server has against fields is found by their names', () => {
  const error = new ApiError(422, 'invalid', 'no', [
    { field: 'body.price.input', rule: 'too much', length: null },
    { field: 'body.name', rule: 'too long', length: 200 },
  ]);
  expect(wrongFields(error)).toEqual({ price: 'too much', 'price.input': 'too much', name: 'too long' });
  expect(wrongFields(new Error('other'))).toEqual({});
});

test('headers and tags are read as they are written', () => {
  const read = readHeaders('X-Team: a:b\n\n Y: ${KEY} ');
  expect(read).toEqual({ headers: { 'X-Team': 'a:b', Y: '${KEY}' }, wrong: null });
  expect(readHeaders(writeHeaders(read.headers))).toEqual(read);
  expect(readHeaders('no colon').wrong).toBe('no colon');
  expect(readHeaders('sp ace: x').wrong).toBe('sp ace: x');
  expect(readTags(' a, b,,a ')).toEqual(['a', 'b']);
});

test('escalating brings a time along, and leaving it takes the second time away', () => {
  expect(approvalChange(APPROVALS, { on_timeout: 'escalate' })).toEqual({
    on_timeout: 'escalate',
    timeout: FIRST_TIMEOUT,
  });
  const escalating: ApprovalSettings = {
    ...APPROVALS,
    timeout: 60,
    on_timeout: 'escalate',
    escalation_timeout: 600,
  };
  expect(approvalChange(escalating, { on_timeout: 'approve' })).toEqual({
    on_timeout: 'approve',
    escalation_timeout: null,
  });
  expect(approvalChange(escalating, { timeout: null })).toEqual({
    timeout: null,
    on_timeout: 'reject',
    escalation_timeout: null,
  });
  expect(approvalChange(escalating, { timeout: 90 })).toEqual({ timeout: 90 });
  // back to the default, which rejects
  expect(approvalChange(escalating, { on_timeout: null })).toEqual({
    on_timeout: null,
    escalation_timeout: null,
  });
});

test('a rule moves past its neighbour and not out of the list', () => {
  const rule = (tool: string): ApprovalRule => ({
    then: 'ask',
    tool,
    server: '',
    agent: '*',
    destructive: false,
    reason: '',
  });
  const names = (rules: ApprovalRule[]): string => rules.map((each) => each.tool).join('');
  const rules = [rule('a'), rule('b'), rule('c')];
  expect(names(moved(rules, 2, -1))).toBe('acb');
  expect(names(moved(rules, 0, 1))).toBe('bac');
  expect(names(moved(rules, 0, -1))).toBe('abc');
});

test('the variables of a prompt are those that the server finds', () => {
  expect(variablesIn('{{a}} {{ b_1 }} {{a}} {{1c}} {{d-e}} {f}')).toEqual(['a', 'b_1']);
  expect(pieces('Hi {{who}}, {{what}}!', { who: '{{what}}', constructor: '' })).toEqual([
    { text: 'Hi ', variable: null, filled: true },
    { text: '{{what}}', variable: 'who', filled: true },
    { text: ', ', variable: null, filled: true },
    { text: '{{what}}', variable: 'what', filled: false },
    { text: '!', variable: null, filled: true },
  ]);
  expect(pieces('{{constructor}}', {})[0]?.filled).toBe(false);
});

test('a package is read, counted, and anything else is told apart', () => {
  const made = { schema_version: '1.0', prompts: [{}, {}], settings: {} } as unknown as Package;
  const read = readPackage(JSON.stringify(made));
  expect('counts' in read && read.counts).toMatchObject({ prompts: 2, settings: 1, agents: 0 });
  expect(countsOf(made).providers).toBe(0);
  expect(readPackage(' ')).toEqual({ wrong: 'empty' });
  expect(readPackage('{')).toEqual({ wrong: 'notJson' });
  expect(readPackage('null')).toEqual({ wrong: 'notPackage' });
  expect(readPackage('{"schema_version": "9"}')).toEqual({ wrong: 'otherVersion' });
  expect(readPackage(`"${'x'.repeat(10 * 2 ** 20)}"`)).toEqual({ wrong: 'tooLarge' });
});

test('what an import needs is asked for by its ids', () => {
  const item: PlannedItem = {
    kind: 'mcp_servers',
    name: 'git',
    exists: false,
    action: 'create',
    new_name: 'git',
    needs: [{ id: 'mcp_servers/git/headers.X', kind: 'secret', field: 'headers.X' }],
    problem: '',
  };
  expect(neededBy([item])).toEqual([
    { id: 'mcp_servers/git/headers.X', field: 'headers.X', secret: true, of: 'git' },
  ]);
  expect([renames('agents'), renames('models')]).toEqual([true, false]);
});

test('memories are kept for days, and read from an export', () => {
  expect(secondsOf('2')).toBe(172_800);
  expect(secondsOf('')).toBeUndefined();
  expect(secondsOf('0')).toBeUndefined();
  const read = readMemories(
    '{"version": "1.0", "memories": [{"type": "knowledge", "content": "x"}]}',
    'skip',
  );
  expect(read).toMatchObject({ conflicts: 'skip', memories: [{ content: 'x' }] });
  expect(readMemories('[]', 'skip')).toBeNull();
  expect(readMemories('{"memories": 3}', 'skip')).toBeNull();
  expect(readMemories('no', 'skip')).toBeNull();
});

test('an address names a section, or none', () => {
  expect(sectionOf('memory')).toBe('memory');
  expect(sectionOf('nowhere')).toBeNull();
  expect(sectionOf(undefined)).toBeNull();
});
