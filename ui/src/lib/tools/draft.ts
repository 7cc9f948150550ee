/** An MCP server as it stands in its form: read, checked with the server's limits, and written as a request. */
import { checkNumber, checkText, numberOf, type Complaint, type Complaints } from '$lib/forms/checks';
import { written } from '$lib/settings/values';
import type { McpHttpRequest, McpProgramRequest, McpServer } from '$types/api';

export interface Pair {
  name: string;
  value: string;
  /** Whether the server keeps a secret here, which an empty value leaves as it is. */
  kept: boolean;
}

export interface ServerDraft {
  type: 'stdio' | 'http';
  name: string;
  description: string;
  disabled: boolean;
  command: string;
  /** One per line. */
  args: string;
  cwd: string;
  env: Pair[];
  url: string;
  headers: Pair[];
  timeout: string;
  connect_timeout: string;
  stop_timeout: string;
  max_concurrency: string;
  max_restarts: string;
  max_message: string;
}

export const BOUNDS = {
  timeout: { min: 0, max: 86_400, above: true },
  connect_timeout: { min: 0, max: 3_600, above: true },
  stop_timeout: { min: 0, max: 60, above: true },
  max_concurrency: { min: 1, max: 1_000, whole: true },
  max_restarts: { min: 0, max: 1_000, whole: true },
  max_message: { min: 1_024, max: 2 ** 30, whole: true },
} as const;
export type Limit = keyof typeof BOUNDS;
export const LIMIT_NAMES = Object.keys(BOUNDS) as Limit[];

const MOST = 50;
const ADDRESS = /^(https?:\/\/[^\s/?#\p{Cc}]+|\$\{)[^\s\p{Cc}]*$/u;

function pairsOf(told: Record<string, string | null> | undefined): Pair[] {
  return Object.entries(told ?? {}).map(([name, value]) => ({
    name,
    value: value ?? '',
    kept: value === null,
  }));
}

/** Returns the form of a server; without one that of a new server, with the defaults. */
export function draftOf(server?: McpServer): ServerDraft {
  return {
    type: server?.type ?? 'stdio',
    name: server?.name ?? '',
    description: server?.description ?? '',
    disabled: server?.disabled ?? false,
    command: server?.command ?? '',
    args: (server?.args ?? []).join('\n'),
    cwd: server?.cwd ?? '',
    env: pairsOf(server?.env),
    url: server?.url ?? '',
    headers: pairsOf(server?.headers),
    timeout: written(server?.timeout ?? 60),
    connect_timeout: written(server?.connect_timeout ?? 30),
    stop_timeout: written(server?.stop_timeout ?? 2),
    max_concurrency: written(server?.max_concurrency ?? 8),
    max_restarts: written(server?.max_restarts ?? 3),
    max_message: written(server?.max_message ?? 16 * 2 ** 20),
  };
}

/** Returns the arguments: the lines as they are, without the empty ones. */
export function argsOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function checkPairs(pairs: readonly Pair[], name: RegExp): Complaint | undefined {
  const given = pairs.filter((pair) => pair.name.trim() || pair.value);
  if (given.length > MOST) return { rule: 'atMost', most: MOST };
  const names = given.map((pair) => pair.name.trim());
  if (new Set(names).size < names.length || names.some((each) => !name.test(each))) return { rule: 'pairs' };
  return given.map((pair) => checkText(pair.value, 4096)).find(Boolean);
}

/** Returns what the server would refuse, by the fields of the request. */
export function complaintsOf(draft: ServerDraft): Complaints {
  const found: Record<string, Complaint | undefined> = {
    name: !draft.name
      ? { rule: 'required' }
      : /^[A-Za-z0-9_-]{1,64}$/.test(draft.name)
        ? undefined
        : { rule: 'serverName' },
    description: checkText(draft.description, 1024),
  };
  for (const limit of LIMIT_NAMES) found[limit] = checkNumber(draft[limit], BOUNDS[limit], true);
  if (draft.type === 'http') {
    const url = draft.url.trim();
    found.url = !url ? { rule: 'required' } : ADDRESS.test(url) ? checkText(url, 2048) : { rule: 'address' };
    found.headers = checkPairs(draft.headers, /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/);
    return found;
  }
  const args = argsOf(draft.args);
  const long = args.find((each) => checkText(each, 512));
  found.command = checkText(draft.command.trim(), 512, true);
  found.args =
    args.length > MOST
      ? { rule: 'atMost', most: MOST }
      : long === undefined
        ? undefined
        : { rule: 'line', line: long };
  found.cwd = checkText(draft.cwd, 4096);
  found.env = checkPairs(draft.env, /^[A-Za-z_][A-Za-z0-9_]{0,127}$/);
  return found;
}

function toldPairs(pairs: readonly Pair[]): Record<string, string | null> {
  const given = pairs.filter((pair) => pair.name.trim());
  return Object.fromEntries(
    given.map(({ name, value, kept }) => [name.trim(), kept && value === '' ? null : value]),
  );
}

/** Returns what is sent; only for a form that nothing is wrong with. */
export function requestOf(draft: ServerDraft): McpProgramRequest | McpHttpRequest {
  const limit = (name: Limit): number => numberOf(draft[name]) ?? 0;
  const all = {
    name: draft.name,
    description: draft.description,
    disabled: draft.disabled,
    timeout: limit('timeout'),
    connect_timeout: limit('connect_timeout'),
    stop_timeout: limit('stop_timeout'),
    max_concurrency: limit('max_concurrency'),
    max_restarts: limit('max_restarts'),
    max_message: limit('max_message'),
  };
  if (draft.type === 'http')
    return { ...all, type: 'http', url: draft.url.trim(), headers: toldPairs(draft.headers) };
  return {
    ...all,
    type: 'stdio',
    command: draft.command.trim(),
    args: argsOf(draft.args),
    env: toldPairs(draft.env),
    cwd: draft.cwd.trim() || null,
  };
}

/** Servers that many use, and how they are started. */
export const KNOWN: readonly (Pick<ServerDraft, 'name' | 'command' | 'args'> & { title: string })[] = [
  {
    title: 'Filesystem',
    name: 'files',
    command: 'npx',
    args: '-y\n@modelcontextprotocol/server-filesystem\n.',
  },
  {
    title: 'Sequential thinking',
    name: 'thinking',
    command: 'npx',
    args: '-y\n@modelcontextprotocol/server-sequential-thinking',
  },
  { title: 'Playwright', name: 'browser', command: 'npx', args: '-y\n@playwright/mcp\n--headless' },
  { title: 'Context7', name: 'context7', command: 'npx', args: '-y\n@upstash/context7-mcp' },
  {
    title: 'Serena',
    name: 'serena',
    command: 'uvx',
    args: '--from\nserena-agent\nserena\nstart-mcp-server',
  },
  {
    title: 'Everything',
    name: 'everything',
    command: 'npx',
    args: '-y\n@modelcontextprotocol/server-everything',
  },
];
