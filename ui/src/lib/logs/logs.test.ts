/** The lines of a log: how grave, which kinds are asked for, what they say, and how a long log is read. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api } from '$lib/api';
import { look } from '$lib/stores/look.svelte';
import type { EventItem } from '$types/api';
import { ALL, brief, groupsOf, GROUPS, isWanted, kindsFor, leastOf, levelOf, nextGrave, tail } from './lines';
import { RunLog } from './log.svelte';
import { sentence } from './sentence';

function line(seq: number, kind: string, data: Record<string, unknown> = {}, path = 'a/b'): EventItem {
  return { seq, kind, path, at: seq / 10, data };
}

describe('a line', () => {
  it('is as grave as what it tells', () => {
    expect(levelOf(line(0, 'model_delta'))).toBe('debug');
    expect(levelOf(line(0, 'step_failed'))).toBe('error');
    expect(levelOf(line(0, 'step_retrying'))).toBe('warning');
    expect(levelOf(line(0, 'step_started'))).toBe('info');
    expect(levelOf(line(0, 'said', { level: 'warning' }))).toBe('warning');
    expect(levelOf(line(0, 'said', { level: 'shouting' }))).toBe('info');
    expect(levelOf(line(0, 'run_ended', { status: 'failed' }))).toBe('error');
    expect(levelOf(line(0, 'run_ended', { status: 'completed' }))).toBe('info');
    expect(levelOf(line(0, 'run_ended', { status: 'cancelled' }))).toBe('warning');
  });

  it('is asked for by kinds that can be as grave', () => {
    expect(kindsFor(new Set(ALL), 'debug')).toBeNull();
    expect(kindsFor(new Set(ALL), 'info')).not.toContain('model_delta');
    expect(kindsFor(new Set(ALL), 'error')).toEqual([
      'run_ended',
      'step_failed',
      'step_timed_out',
      'step_abandoned',
      'said',
    ]);
    expect(kindsFor(new Set(['people']), 'info')).toEqual(GROUPS.people);
  });

  it('is chosen by the address', () => {
    expect([...groupsOf('said,nonsense')]).toEqual(['said']);
    expect(groupsOf(undefined).size).toBe(ALL.length);
    expect([leastOf('error'), leastOf('nonsense')]).toEqual(['error', 'info']);
  });

  it('is wanted by its step and its words', () => {
    const said = line(3, 'said', { text: 'Fetched 12 ROWS', level: 'info' }, 'x/y/z');
    const any = { least: 'info', text: '', under: '' } as const;
    expect(isWanted(said, any)).toBe(true);
    expect(isWanted(said, { ...any, text: 'rows' })).toBe(true);
    expect(isWanted(said, { ...any, text: 'columns' })).toBe(false);
    expect(isWanted(said, { ...any, under: 'x/y' })).toBe(true);
    expect(isWanted(said, { ...any, under: 'x/yy' })).toBe(false);
    expect(isWanted(said, { ...any, least: 'warning' })).toBe(false);
  });

  it('is found when it is an error', () => {
    const lines = [line(0, 'step_failed'), line(1, 'step_started'), line(2, 'step_timed_out')];
    expect([nextGrave(lines, 0, 1), nextGrave(lines, 0, -1), nextGrave(lines, 1, -1)]).toEqual([2, 2, 0]);
    expect(nextGrave([line(0, 'said')], 0, 1)).toBe(-1);
  });

  it('has a path that is told by its end', () => {
    expect([tail('a/b/c'), tail('a/b/c/d')]).toEqual(['a/b/c', '…/b/c/d']);
  });

  it('stands in one line', () => {
    expect(brief('a\n  b')).toBe('a b');
    expect(brief({ a: 1 })).toBe('{"a":1}');
    expect(brief(null)).toBe('');
    expect(brief('x'.repeat(9), 4)).toBe('xxxx…');
  });
});

describe('a sentence', () => {
  afterEach(() => look.setLocale('en'));

  const failure = { type: 'ValueError', message: 'no such row', path: '' };
  const CASES: [string, Record<string, unknown>, string][] = [
    ['run_started', { name: 'flow' }, 'The run “flow” began'],
    ['run_resumed', { completed: 3 }, 'The run went on; 3 steps are not run again'],
    ['run_ended', { status: 'failed', error: failure }, 'The run ended: Failed – ValueError: no such row'],
    ['step_started', { step: 'tool', queued: 0.25 }, 'began (tool), waited 250 ms for room'],
    ['step_started', { step: 'tool', queued: 0 }, 'began (tool)'],
    ['step_completed', { source: 'run' }, 'completed'],
    ['step_completed', { source: 'cache' }, 'completed, from cache'],
    ['step_failed', { error: failure }, 'failed: ValueError: no such row'],
    ['step_failed', {}, 'failed: '],
    ['step_timed_out', { seconds: 2 }, 'took longer than 2.00 s'],
    ['step_cancelled', { reason: 'sibling failed' }, 'stopped: sibling failed'],
    ['step_skipped', { because: 'no rows' }, 'skipped: no rows'],
    [
      'step_retrying',
      { attempt: 1, wait: 0.04, error: failure },
      'attempt 1 failed, next in 40 ms: ValueError: no such row',
    ],
    ['step_abandoned', { waited: 5 }, 'did not stop within 5.00 s; it may still run'],
    ['step_undone', {}, 'taken back'],
    ['step_undone', { error: failure }, 'could not be taken back: ValueError: no such row'],
    ['asked', { question: 'Go on?' }, 'asks: Go on?'],
    ['answered', { choice: 'yes', by: '' }, 'answered by a person: yes'],
    ['progress', { done: 3, total: 7, text: 'files' }, '3 of 7 – files'],
    ['progress', { done: 3, total: null }, '3'],
    ['said', { text: 'hello\nthere' }, 'hello there'],
    ['model_used', { model: 'm', input_tokens: 1800, output_tokens: 12 }, 'm: 1.8k in, 12 out'],
    ['model_delta', { part: 'text', text: 'Hi' }, 'model, text: Hi'],
    ['agent_started', { name: 'coder', model: 'm' }, 'agent coder with m'],
    ['history_shortened', { dropped: 4, how: 'trimmed' }, 'history shortened: 4 messages trimmed'],
    [
      'plan_made',
      { plan: { operations: ['a', 'b'], batches: [['a', 'b']] } },
      'planned 2 operations in 1 batches',
    ],
    ['plan_made', {}, 'planned 0 operations in 0 batches'],
    ['task_changed', { name: 'Read', change: 'created', status: 'pending' }, 'task “Read” created: pending'],
    ['unheard_of', { a: 1 }, '{"a":1}'],
  ];
  it.each(CASES)('tells %s %j', (kind, data, told) => {
    expect(sentence(line(0, kind, data))).toBe(told);
  });

  it('speaks French', () => {
    look.setLocale('fr');
    expect(sentence(line(0, 'step_failed', { error: failure }))).toBe('a échoué : ValueError: no such row');
  });
});

describe('a long log', () => {
  let size = 0;
  let asked: string[] = [];

  beforeEach(() => {
    asked = [];
    vi.spyOn(api, 'GET').mockImplementation(((
      path: string,
      options: { params: { query?: Record<string, unknown> } },
    ) => {
      const query = options.params.query as { since: number; limit: number; kind?: string[] } | undefined;
      const kinds = query?.kind;
      asked.push(query ? `${query.since}+${query.limit}` : path);
      const found: EventItem[] = [];
      for (let seq = query?.since ?? 0; query && seq < size && found.length < query.limit; seq++) {
        const kind = seq % 100 === 99 ? 'step_failed' : 'said';
        if (!kinds || kinds.includes(kind)) found.push(line(seq, kind));
      }
      const data = path.endsWith('/events') ? found : { events: size };
      return Promise.resolve({ data, response: new Response(null, { status: 200 }) });
    }) as unknown as typeof api.GET);
  });
  afterEach(() => vi.restoreAllMocks());

  it('is read from its beginning, a part at a time', async () => {
    size = 1200;
    const log = new RunLog('r');
    await log.begin(0, null);
    expect([log.lines.length, log.from, log.to, log.total, log.hasMore]).toEqual([500, 0, 500, 1200, true]);
    await log.more();
    await log.more();
    expect([log.lines.length, log.hasMore]).toEqual([1200, false]);
    expect(await log.more()).toBe(false);
    log.close();
  });

  it('is read from its end, and back from there', async () => {
    size = 100_000;
    const log = new RunLog('r');
    await log.begin(-400, null);
    expect([log.lines.length, log.lines[0]?.seq, log.hasMore, log.hasBefore]).toEqual([
      400,
      99_600,
      false,
      true,
    ]);
    expect(await log.before()).toBe(500);
    expect([log.lines.length, log.lines[0]?.seq]).toEqual([900, 99_100]);
    expect(asked.length).toBeLessThan(6);
    log.close();
  });

  it('reaches further back for what is rare', async () => {
    size = 10_000;
    const log = new RunLog('r');
    await log.begin(-10, ['step_failed']);
    expect(log.lines.map(({ seq }) => seq)).toEqual([9999]);
    expect(await log.before()).toBe(99);
    expect(log.lines).toHaveLength(100);
    expect(log.hasBefore).toBe(false);
    log.close();
  });

  it('grows with the run, and keeps to its own', async () => {
    size = 10;
    const log = new RunLog('r');
    await log.begin(0, null);
    size = 15;
    const update = { run_id: 'r', seq: 15, over: false } as Parameters<RunLog['told']>[0];
    log.told({ ...update, run_id: 'other', seq: 99 });
    expect(log.hasMore).toBe(false);
    log.told(update);
    expect(log.hasMore).toBe(true);
    expect(await log.more()).toBe(true);
    expect(log.lines).toHaveLength(15);
    log.close();
  });

  it('keeps what it has when the server does not answer', async () => {
    size = 700;
    const log = new RunLog('r');
    await log.begin(0, null);
    vi.mocked(api.GET).mockRejectedValueOnce(new Error('gone'));
    expect(await log.more()).toBe(false);
    expect([log.lines.length, String(log.error)]).toEqual([500, 'Error: gone']);
    expect(await log.more()).toBe(true);
    expect(log.error).toBeNull();
    log.close();
  });
});
