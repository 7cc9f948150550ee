// @vitest-environment node
/** Arguments of calls as fields, read back, and what was changed in them. */
import { expect, test } from 'vitest';
import { changesOf, fieldsOf, isArguments, readFields, readJson, textChange } from './arguments';

const GIVEN = { path: 'a.txt', lines: 3, force: false, tags: ['x'], note: null };

test('every argument gets the field that fits its value', () => {
  expect(fieldsOf({ ...GIVEN, text: 'one\ntwo' }).map(({ kind, long }) => [kind, long])).toEqual([
    ['text', false],
    ['number', false],
    ['boolean', false],
    ['json', true],
    ['json', true],
    ['text', true],
  ]);
  expect(isArguments(null)).toBe(false);
  expect(isArguments([])).toBe(false);
});

test('what was not touched keeps its value, what was is read as its kind', () => {
  const given = { path: 'a.txt', lines: 3, force: false, tags: ['x'] };
  const fields = fieldsOf(given).map((field) => ({
    ...field,
    text: { lines: '12', force: 'true', tags: '["x","y"]' }[field.name] ?? field.text,
  }));
  const { values, wrong } = readFields(fields, given);
  expect(values).toEqual({ path: 'a.txt', lines: 12, force: true, tags: ['x', 'y'] });
  expect(wrong.size).toBe(0);
});

test.each([
  ['lines', '', 'number'],
  ['lines', 'twelve', 'number'],
  ['lines', '"12"', 'number'],
  ['tags', '[', 'json'],
])('%s written as %j is refused', (name, text, why) => {
  const given = { lines: 3, tags: ['x'] };
  const fields = fieldsOf(given).map((field) => (field.name === name ? { ...field, text } : field));
  expect([...readFields(fields, given).wrong]).toEqual([[name, why]]);
});

test('arguments written as JSON are one object', () => {
  expect(readJson('{"a": 1}')).toEqual({ values: { a: 1 }, wrong: null });
  expect(readJson('[1]').wrong).toBe('object');
  expect(readJson('{').wrong).toBe('json');
});

test('changes are told by their place, added and removed ones, too', () => {
  const before = { a: 1, files: [{ name: 'x' }, { name: 'y' }], gone: true };
  const after = { a: 1, files: [{ name: 'z' }, { name: 'y' }, 'more'], constructor: 'new' };
  expect(changesOf(before, after)).toEqual([
    { path: 'files[0].name', before: 'x', after: 'z' },
    { path: 'files[2]', after: 'more' },
    { path: 'gone', before: 'true' },
    { path: 'constructor', after: 'new' },
  ]);
  expect(changesOf(before, structuredClone(before))).toEqual([]);
  expect(changesOf(Array(1000).fill(0), Array(1000).fill(1))).toHaveLength(200);
});

test('a changed text shows what was replaced and a little around it', () => {
  expect(textChange('rm -rf /tmp/a', 'rm -rf /tmp/b')).toEqual({
    head: 'rm -rf /tmp/',
    removed: 'a',
    added: 'b',
    tail: '',
  });
  const long = textChange(
    `${'x'.repeat(200)}old${'y'.repeat(200)}`,
    `${'x'.repeat(200)}new${'y'.repeat(200)}`,
  );
  expect(long.head).toBe(`…${'x'.repeat(60)}`);
  expect(long.tail).toBe(`${'y'.repeat(60)}…`);
  expect(textChange('aa', 'aaa')).toMatchObject({ removed: '', added: 'a' });
});
