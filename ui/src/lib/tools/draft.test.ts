/** What is typed of an MCP server is checked with the server's limits and written as its request. */
import { expect, test } from 'vitest';
import type { McpServer } from '$types/api';
import { complaintsOf, draftOf, KNOWN, requestOf, type ServerDraft } from './draft';

const SERVER: McpServer = {
  name: 'files',
  origin: 'stored',
  type: 'stdio',
  description: '',
  disabled: false,
  command: 'npx',
  args: ['-y', ' spaced ', 'it is'],
  env: { TOKEN: null, MODE: 'fast' },
  cwd: null,
  timeout: 60,
  connect_timeout: 30,
  stop_timeout: 2,
  max_concurrency: 8,
  max_restarts: 3,
  max_message: 1024,
  status: { state: 'idle', calls: 0, restarts: 0, last_error: '' },
};

function wrongAt(changes: Partial<ServerDraft>): string[] {
  const found = complaintsOf({ ...draftOf(SERVER), ...changes });
  return Object.entries(found)
    .filter(([, complaint]) => complaint)
    .map(([field, complaint]) => `${field} ${complaint?.rule}`);
}

test('a program goes through its form unchanged, and its secret is kept without being known', () => {
  expect(requestOf(draftOf(SERVER))).toMatchObject({
    type: 'stdio',
    command: 'npx',
    args: ['-y', ' spaced ', 'it is'],
    env: { TOKEN: null, MODE: 'fast' },
    cwd: null,
    max_message: 1024,
  });
});

test('a secret that is typed anew is sent, a name that is new has none that could be kept', () => {
  const draft = draftOf(SERVER);
  draft.env = [
    { name: 'TOKEN', value: 'new', kept: true },
    { name: 'OTHER', value: '', kept: false },
    { name: '', value: '', kept: false },
  ];
  expect(requestOf(draft)).toMatchObject({ env: { TOKEN: 'new', OTHER: '' } });
});

test('an address is sent without what belongs to programs', () => {
  const request = requestOf({ ...draftOf(SERVER), type: 'http', url: ' https://example.org/mcp ' });
  expect(request).toMatchObject({ type: 'http', url: 'https://example.org/mcp', headers: {} });
  expect(request).not.toHaveProperty('command');
});

test('limits are those of the server', () => {
  expect(wrongAt({})).toEqual([]);
  expect(wrongAt({ name: 'ä' })).toEqual(['name serverName']);
  expect(wrongAt({ command: ' ' })).toEqual(['command required']);
  expect(wrongAt({ args: 'x\n'.repeat(51) })).toEqual(['args atMost']);
  expect(wrongAt({ args: 'x'.repeat(513) })).toEqual(['args line']);
  expect(wrongAt({ timeout: '0' })).toEqual(['timeout between']);
  expect(wrongAt({ max_restarts: '' })).toEqual(['max_restarts required']);
  const twice = { name: 'A', value: '', kept: false };
  expect(wrongAt({ env: [twice, twice] })).toEqual(['env pairs']);
  expect(wrongAt({ env: [{ ...twice, name: '1A' }] })).toEqual(['env pairs']);
  expect(wrongAt({ type: 'http', url: 'ftp://x' })).toEqual(['url address']);
  expect(wrongAt({ type: 'http', url: '${ADDRESS}/mcp' })).toEqual([]);
  expect(wrongAt({ type: 'http', url: 'http://x y' })).toEqual(['url address']);
});

test('each known server is one that could be saved', () => {
  for (const { name, command, args } of KNOWN) {
    const found = complaintsOf({ ...draftOf(), name, command, args });
    expect(Object.values(found).filter(Boolean)).toEqual([]);
  }
});
