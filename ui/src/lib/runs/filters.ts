/** Which runs somebody looks for: in the address, kept in this browser, and as the server is asked. */
import { keep, kept } from '$lib/stores/look.svelte';
import type { Query } from '$lib/router.svelte';
import type { RunItem } from '$types/api';

export const STATUSES = [
  'running',
  'completed',
  'failed',
  'timed_out',
  'cancelled',
  'interrupted',
  'queued',
] as const satisfies readonly RunItem['status'][];
export const PERIODS = ['hour', 'day', 'week', 'month'] as const;
export type Period = (typeof PERIODS)[number];

export interface RunFilter {
  status: RunItem['status'] | '';
  /** A part of id, name, error or labels. */
  text: string;
  /** The whole name. */
  name: string;
  period: Period | '';
  /** The id of a workflow; the server takes it or a text, not both. */
  workflow: string;
}

export interface SavedView {
  name: string;
  filter: RunFilter;
}

/** The views there are now, and whether this browser keeps them: its storage may be full. */
export interface Saved {
  views: SavedView[];
  lasting: boolean;
}

/** What the server is asked; null leaves nothing out. */
export interface AskedRuns {
  status: RunItem['status'] | null;
  text: string | null;
  name: string | null;
  /** Unix seconds. */
  since: number | null;
  workflow_id: string | null;
}

interface Kept {
  last: RunFilter;
  views: SavedView[];
}

const KEY = 'stretto.runs';
const MOST_VIEWS = 20;
const SECONDS: Readonly<Record<Period, number>> = {
  hour: 3600,
  day: 86_400,
  week: 604_800,
  month: 2_592_000,
};
export const ANY: RunFilter = { status: '', text: '', name: '', period: '', workflow: '' };

/** Reads a filter from the address, or from what this browser keeps; what is not known counts as not said. */
export function filterOf(query: Query | Record<string, unknown>): RunFilter {
  const { status, q, text, name, since, period, workflow } = query as Record<string, unknown>;
  const said = (value: unknown, most: number) => (typeof value === 'string' ? value.slice(0, most) : '');
  const chosen = said(workflow, 36);
  return {
    status: STATUSES.find((each) => each === status) ?? '',
    text: chosen ? '' : said(q ?? text, 256),
    name: said(name, 200),
    period: PERIODS.find((each) => each === (since ?? period)) ?? '',
    workflow: chosen,
  };
}

/** Returns a filter as the address has it. */
export function addressOf(filter: RunFilter): Record<string, string | null> {
  return {
    status: filter.status || null,
    q: filter.text || null,
    name: filter.name || null,
    since: filter.period || null,
    workflow: filter.workflow || null,
  };
}

/** Returns what the server is asked for a filter; `now` is in milliseconds. */
export function askedOf(filter: RunFilter, now: number): AskedRuns {
  const text = filter.text.trim();
  return {
    status: filter.status || null,
    text: filter.workflow ? null : text || null,
    name: filter.name.trim() || null,
    since: filter.period ? Math.floor(now / 1000 - SECONDS[filter.period]) : null,
    workflow_id: filter.workflow || null,
  };
}

/** Says whether a filter leaves nothing out. */
export function isAny(filter: RunFilter): boolean {
  return isSame(filter, ANY);
}

export function isSame(one: RunFilter, other: RunFilter): boolean {
  return (Object.keys(ANY) as (keyof RunFilter)[]).every((key) => one[key].trim() === other[key].trim());
}

function read(): Kept {
  const found = kept<{ last: unknown; views: unknown }>(KEY);
  const views = Array.isArray(found.views) ? (found.views as unknown[]) : [];
  return {
    last: isRecord(found.last) ? filterOf(found.last) : ANY,
    views: views.flatMap((each) =>
      isRecord(each) && typeof each.name === 'string' && isRecord(each.filter)
        ? [{ name: each.name, filter: filterOf(each.filter) }]
        : [],
    ),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Returns the filter that was used last in this browser. */
export function lastFilter(): RunFilter {
  return read().last;
}

/** Keeps the filter that is used now. */
export function keepFilter(last: RunFilter): void {
  keep(KEY, { ...read(), last });
}

/** Returns the views that somebody saved, in their order. */
export function savedViews(): SavedView[] {
  return read().views;
}

/** Saves a view, in the place of one with the same name; returns all, at most twenty. */
export function saveView(view: SavedView): Saved {
  return replaced((views) => [...views.filter((each) => each.name !== view.name), view].slice(-MOST_VIEWS));
}

/** Forgets a view; returns those that are left. */
export function forgetView(name: string): Saved {
  return replaced((views) => views.filter((each) => each.name !== name));
}

function replaced(change: (views: SavedView[]) => SavedView[]): Saved {
  const now = read();
  const views = change(now.views);
  return { views, lasting: keep(KEY, { ...now, views }) };
}
