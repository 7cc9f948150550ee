/** The logic of the list of runs and of comparing two of them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { compareWords } from '$lib/i18n/compare';
import { runsWords } from '$lib/i18n/runs';
import type { RunItem, RunMetrics } from '$types/api';
import type { TimelineSpan } from '$types/trace';
import { goesOn, keptBecause, labelsFrom, ownLabels } from './acts';
import { chosen, countsOf, ordered, pairsOf, shownOf } from './comparison';
import { diffOf, linesOf } from './diff';
import {
  addressOf,
  ANY,
  askedOf,
  filterOf,
  forgetView,
  isAny,
  isSame,
  keepFilter,
  lastFilter,
  savedViews,
  saveView,
} from './filters';
import { measureOf } from './measures';
import { barOf, medianOf } from './median';
import { endedSince, lives, merged } from './order';

function run(id: string, more: Partial<RunItem> = {}): RunItem {
  return {
    id,
    name: 'flow',
    status: 'completed',
    started_at: 100,
    ended_at: 101,
    duration: 1,
    steps: { started: 1, completed: 1, failed: 0, cancelled: 0, timed_out: 0, skipped: 0, retried: 0 },
    error: null,
    labels: {},
    owner: null,
    size: 1,
    events: 1,
    here: false,
    workflow_id: null,
    rerun_of: null,
    ...more,
  };
}

function span(
  path: string,
  from: number | null,
  to: number | null,
  more: Partial<TimelineSpan> = {},
): TimelineSpan {
  return {
    path,
    parent: path.split('/').slice(0, -1).join('/'),
    name: path.split('/').at(-1) ?? '',
    kind: 'step',
    status: 'completed',
    start_ms: from,
    end_ms: to,
    queued_ms: 0,
    self_ms: null,
    slack_ms: null,
    critical: false,
    batch: null,
    attempts: 1,
    tries: [],
    agent: null,
    tokens: 0,
    cost: null,
    error: null,
    source: 'ran',
    ...more,
  };
}

describe('filters', () => {
  beforeEach(() => localStorage.clear());

  it('come from the address and go back into it', () => {
    const query = { status: 'failed', q: 'crm', name: 'nightly', since: 'day' };
    const filter = filterOf(query);
    expect(filter).toEqual({ status: 'failed', text: 'crm', name: 'nightly', period: 'day', workflow: '' });
    expect(addressOf(filter)).toEqual({ ...query, workflow: null });
  });

  it('take nothing that the server would refuse', () => {
    expect(filterOf({ status: 'odd', since: 'ever', q: 'x'.repeat(300) })).toEqual({
      ...ANY,
      text: 'x'.repeat(256),
    });
    expect(filterOf({ workflow: 'w', q: 'both' })).toEqual({ ...ANY, workflow: 'w' });
  });

  it('ask for a start in seconds, and for a workflow without a text', () => {
    const asked = askedOf({ ...ANY, period: 'hour', text: ' x ' }, 7_200_000);
    expect(asked).toEqual({ status: null, text: 'x', name: null, since: 3600, workflow_id: null });
    expect(askedOf({ ...ANY, workflow: 'w', text: 'x' }, 0)).toMatchObject({ text: null, workflow_id: 'w' });
  });

  it('are kept in this browser, as views, too', () => {
    const failed = { ...ANY, status: 'failed' as const };
    expect(lastFilter()).toEqual(ANY);
    keepFilter(failed);
    expect(lastFilter()).toEqual(failed);
    expect(saveView({ name: 'mine', filter: failed })).toMatchObject({
      views: [{ name: 'mine' }],
      lasting: true,
    });
    saveView({ name: 'mine', filter: ANY });
    expect(savedViews()).toEqual([{ name: 'mine', filter: ANY }]);
    expect(lastFilter()).toEqual(failed);
    expect(forgetView('mine')).toEqual({ views: [], lasting: true });
  });

  it('survive nonsense in the storage', () => {
    localStorage.setItem(
      'stretto.runs',
      '{"last": 3, "views": [1, {"name": "a"}, {"name": "b", "filter": {}}]}',
    );
    expect(lastFilter()).toEqual(ANY);
    expect(savedViews()).toEqual([{ name: 'b', filter: ANY }]);
  });

  it('are told apart', () => {
    expect(isAny({ ...ANY, text: ' ' })).toBe(true);
    expect(isSame({ ...ANY, name: 'a' }, { ...ANY, name: 'b' })).toBe(false);
  });
});

describe('durations against the median', () => {
  it('have the middle of the numbers', () => {
    expect(medianOf([])).toBeNull();
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 2, 3])).toBe(2.5);
  });

  it('put the mark in the middle until a run takes more than twice as long', () => {
    expect(barOf(1, 1)).toEqual({ filled: 0.5, median: 0.5, over: 0 });
    expect(barOf(4, 1)).toEqual({ filled: 1, median: 0.25, over: 3 });
    expect(barOf(4, null)).toEqual({ filled: 0.5, median: null, over: null });
  });

  it('measure a gain only where several operations ran', () => {
    const metrics = {
      operations: 3,
      total_duration: 2,
      speedup_factor: 1.5,
      tokens_input: 3,
      tokens_output: null,
    };
    expect(measureOf(metrics as RunMetrics)).toEqual({ speedup: 1.5, tokens: 3, cost: null });
    expect(measureOf({ ...metrics, operations: 1 } as RunMetrics).speedup).toBeNull();
  });
});

describe('the list', () => {
  it('is in order, newest first, each run once and as it was told last', () => {
    const known = [run('b', { started_at: 2, status: 'running' }), run('a', { started_at: 1 })];
    const fresh = [run('c', { started_at: 3 }), run('b', { started_at: 2 })];
    const all = merged(known, fresh);
    expect(all.map((each) => each.id)).toEqual(['c', 'b', 'a']);
    expect(endedSince(known, fresh).map((each) => each.id)).toEqual(['b']);
    expect(all.some(lives)).toBe(false);
  });

  it('knows what can be removed and what can go on', () => {
    expect(keptBecause(run('a'))).toBeNull();
    expect(keptBecause(run('a', { status: 'running' }))).toBe('runs');
    expect(keptBecause(run('a', { workflow_id: 'w' }))).toBe('workflow');
    expect(goesOn(run('a', { status: 'failed' }))).toBe(true);
    expect(goesOn(run('a', { status: 'failed', workflow_id: 'w' }))).toBe(false);
    expect(goesOn(run('a', { status: 'interrupted', workflow_id: 'w' }))).toBe(true);
  });

  it('reads labels as they are written', () => {
    expect(labelsFrom('team=night\n\n a = b=c ')).toEqual({ team: 'night', a: 'b=c' });
    expect(() => labelsFrom('night')).toThrow('night');
    expect(ownLabels({ 'stretto.step': 'x', team: 'night' })).toEqual([['team', 'night']]);
  });
});

describe('two runs', () => {
  const now = { first: 100, second: 100 };
  const first = [
    span('flow', 0, 100),
    span('flow/a', 0, 40),
    span('flow/b', 40, 60),
    span('flow/old', 60, 70),
  ];
  const second = [
    span('flow', 0, 130, { self_ms: 100 }),
    span('flow/a', 0, 90, { tokens: 5 }),
    span('flow/b', 90, 100, { status: 'failed' }),
    span('flow/new', 100, 110),
  ];

  it('are paired by path, with what only one of them has', () => {
    const pairs = pairsOf(first, second, now);
    expect(pairs.map((pair) => pair.path)).toEqual(['flow', 'flow/a', 'flow/b', 'flow/old', 'flow/new']);
    expect(pairs.map((pair) => pair.time)).toEqual([30, 50, -10, null, null]);
    expect(countsOf(pairs)).toEqual({ all: 5, different: 4, first: 1, second: 1 });
    expect(chosen(pairs, 'first', '').map((pair) => pair.name)).toEqual(['old']);
    expect(chosen(pairs, 'second', '').map((pair) => pair.name)).toEqual(['new']);
    expect(chosen(pairs, 'different', 'FLOW b').map((pair) => pair.name)).toEqual(['b']);
  });

  it('are paired also when their workflows have different names', () => {
    const pairs = pairsOf(
      [span('one', 0, 1), span('one/a', 0, 1)],
      [span('other', 0, 1), span('other/a', 0, 3)],
      now,
    );
    expect(pairs).toHaveLength(2);
    expect(pairs[1]).toMatchObject({ path: 'one/a', otherPath: 'other/a', time: 2, different: false });
  });

  it('measure what still runs until now, and what has not begun not at all', () => {
    const [running] = pairsOf([span('a', 0, 10)], [span('a', 0, null)], { first: 10, second: 25 });
    expect(running?.time).toBe(15);
    const [pending] = pairsOf([span('a', 0, 10)], [span('a', null, null)], now);
    expect(pending?.time).toBeNull();
  });

  it('show other outcomes first, then what changed most by itself', () => {
    const pairs = pairsOf(first, second, now);
    expect(ordered(pairs, 'changed').map((pair) => pair.name)).toEqual(['b', 'old', 'new', 'a', 'flow']);
    expect(ordered(pairs, 'slower')[0]?.name).toBe('a');
    expect(ordered(pairs, 'tree')).toEqual(pairs);
  });

  it('are shown as the address says', () => {
    expect(shownOf({})).toEqual({ side: 'all', order: 'changed', text: '' });
    expect(shownOf({ which: 'second', order: 'tree', q: 'x' })).toEqual({
      side: 'second',
      order: 'tree',
      text: 'x',
    });
    expect(shownOf({ which: 'odd', order: 'odd' })).toMatchObject({ side: 'all', order: 'changed' });
  });
});

describe('differences of values', () => {
  const kinds = (before: string[], after: string[]) =>
    diffOf(before, after).map(
      (line) => ({ same: ' ', before: '-', after: '+', skipped: '~' })[line.kind] + line.text,
    );

  it('are lines that went and lines that came', () => {
    expect(kinds(['a', 'b', 'c'], ['a', 'x', 'c'])).toEqual([' a', '-b', '+x', ' c']);
    expect(kinds([], ['a'])).toEqual(['+a']);
    expect(kinds(['a', 'b'], ['b', 'a'])).toEqual(['-a', ' b', '+a']);
    expect(kinds(['a'], ['a'])).toEqual([' a']);
  });

  it('leave out long equal stretches and say how long they were', () => {
    const before = Array.from({ length: 40 }, (_, place) => `${place}`);
    const after = before.with(20, 'x');
    const found = diffOf(before, after);
    expect(found.filter((line) => line.kind === 'skipped').map((line) => line.count)).toEqual([17, 16]);
    expect(found.map((line) => line.text)).toContain('x');
  });

  it('keep every line of both, whatever they are', () => {
    for (let seed = 1; seed < 40; seed++) {
      const random = (place: number) => String((seed * (place + 3) * 7) % 5);
      const before = Array.from({ length: seed % 9 }, (_, place) => random(place));
      const after = Array.from({ length: (seed * 3) % 8 }, (_, place) => random(place + 1));
      const whole = (other: 'before' | 'after', lines: string[]) => {
        const told: string[] = [];
        for (const each of diffOf(before, after)) {
          if (each.kind === 'skipped') told.push(...lines.slice(told.length, told.length + each.count));
          else if (each.kind !== other) told.push(each.text);
        }
        return told;
      };
      expect(whole('after', before)).toEqual(before);
      expect(whole('before', after)).toEqual(after);
    }
  });

  it('of large values do not take long', () => {
    const many = (word: string) => Array.from({ length: 20_000 }, (_, place) => `${word}${place}`);
    expect(diffOf(many('a'), many('b'))).toHaveLength(40_000);
  });

  it('are of the lines of JSON, or of a text', () => {
    expect(linesOf({ a: 1 })).toEqual(['{', '  "a": 1', '}']);
    expect(linesOf('a\nb')).toEqual(['a', 'b']);
    expect(linesOf(undefined)).toEqual([]);
  });
});

describe('words', () => {
  it('say one and many in both languages', () => {
    for (const t of [runsWords.all.en, runsWords.all.fr]) {
      expect(t.selected(1)).not.toBe(t.selected(2));
      expect(t.removeTitle(1)).not.toBe(t.removeTitle(2));
      expect(t.retried(1)).not.toBe(t.retried(2));
    }
    for (const t of [compareWords.all.en, compareWords.all.fr]) expect(t.skipped(1)).not.toBe(t.skipped(2));
  });
});
