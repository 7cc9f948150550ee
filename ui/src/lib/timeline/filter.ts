/** Which steps somebody looks for: by text, kind, status, agent, errors and how long they took. */
import type { TimelineSpan } from '$types/trace';
import type { Query } from '$lib/router.svelte';
import { labelOf, type Tree } from './tree';

export interface Filter {
  text: string;
  kinds: readonly string[];
  statuses: readonly string[];
  agent: string;
  errors: boolean;
  /** Milliseconds. */
  least: number;
}

const FAILURES = new Set(['failed', 'timed_out', 'abandoned']);

/** Says whether a step went wrong. */
export function isFailure(span: TimelineSpan): boolean {
  return FAILURES.has(span.status);
}

function list(text: string | undefined): string[] {
  return text ? text.split(',').filter(Boolean) : [];
}

/** Reads a filter from the address. */
export function filterOf(query: Query): Filter {
  const least = Number(query.min ?? 0);
  return {
    text: query.q ?? '',
    kinds: list(query.kind),
    statuses: list(query.status),
    agent: query.agent ?? '',
    errors: query.errors === '1',
    least: Number.isFinite(least) && least > 0 ? least : 0,
  };
}

/** Says whether a filter leaves anything out. */
export function isActive(filter: Filter): boolean {
  const { text, kinds, statuses, agent, errors, least } = filter;
  return text.trim() !== '' || kinds.length > 0 || statuses.length > 0 || agent !== '' || errors || least > 0;
}

/** Returns how long a step has taken, 0 before it begins (milliseconds). */
export function lasted(span: TimelineSpan, now: number): number {
  return span.start_ms === null ? 0 : Math.max(0, (span.end_ms ?? now) - span.start_ms);
}

/** Returns which steps a filter finds, 1 for each; a filter that leaves nothing out gives null. */
export function found(tree: Tree, filter: Filter, now: number): Uint8Array | null {
  if (!isActive(filter)) return null;
  const marks = new Uint8Array(tree.spans.length);
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const kinds = new Set(filter.kinds);
  const statuses = new Set(filter.statuses);
  tree.spans.forEach((span, at) => {
    if (tree.outer[at + 1] === at) return;
    if (filter.errors && !isFailure(span)) return;
    if (kinds.size && !kinds.has(span.kind)) return;
    if (statuses.size && !statuses.has(span.status)) return;
    if (filter.agent && span.agent !== filter.agent) return;
    if (filter.least && lasted(span, now) < filter.least) return;
    if (words.length && !saysAll(span, labelOf(tree, at), words)) return;
    marks[at] = 1;
  });
  return marks;
}

function saysAll(span: TimelineSpan, label: { name: string; number: string }, words: string[]): boolean {
  const said = `${label.name}${label.number} ${span.name} ${span.kind} ${span.error ?? ''}`.toLowerCase();
  return words.every((word) => said.includes(word));
}

/** Reads how long something took as a person writes it: `250`, `250 ms`, `1.5 s`, `2m`; 0 for what is no time. */
export function readTime(text: string): number {
  const parts = /^\s*(\d+(?:[.,]\d+)?)\s*(ms|s|m|min|h)?\s*$/i.exec(text);
  if (!parts) return 0;
  const unit = (parts[2] ?? 'ms').toLowerCase();
  const factor = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 }[unit] ?? 1;
  return Number((parts[1] ?? '0').replace(',', '.')) * factor;
}

/** Returns each word of some once, sorted, without empty ones. */
export function distinct(words: readonly string[]): string[] {
  return [...new Set(words)].filter(Boolean).sort();
}
