/** What is typed into the fields of settings, read within bounds, and what the server is asked to change. */
import { ApiError } from '$lib/api';
import type { Choice } from '$types/api';

export interface Bounds {
  min?: number;
  max?: number;
  /** Whether only whole numbers are meant. */
  whole?: boolean;
  /** Whether the lowest value itself is left out. */
  above?: boolean;
}

export type Read = { value: number | null } | { wrong: 'notNumber' | 'notWhole' | 'outside' };

/** Reads a number as people write it (`1 500`, `0,5`, `0.5`); nothing is null, which is what holds by itself. */
export function readNumber(text: string, bounds: Bounds = {}): Read {
  const plain = text.replace(/[\s\u00a0\u202f_]/g, '').replace(',', '.');
  if (plain === '') return { value: null };
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return { wrong: 'notNumber' };
  const value = Number(plain);
  if (!Number.isFinite(value)) return { wrong: 'notNumber' };
  if (bounds.whole && !Number.isInteger(value)) return { wrong: 'notWhole' };
  const low = bounds.min !== undefined && (bounds.above ? value <= bounds.min : value < bounds.min);
  if (low || (bounds.max !== undefined && value > bounds.max)) return { wrong: 'outside' };
  return { value };
}

/** Returns the change of one setting by its dotted key: `server.keep_days` as `{server: {keep_days: 90}}`. */
export function changeOf(key: string, value: unknown): Choice {
  const [table, name] = key.split('.');
  return (name === undefined ? { [key]: value } : { [table ?? '']: { [name]: value } }) as Choice;
}

/** Returns the variable of the environment that says a setting. */
export function variableOf(key: string): string {
  return `STRETTO_${key.toUpperCase().replaceAll('.', '__')}`;
}

/** Returns what the server says against single fields, by the field's name without what stands before it. */
export function wrongFields(error: unknown): Record<string, string> {
  if (!(error instanceof ApiError)) return {};
  const found: Record<string, string> = {};
  for (const { field, rule } of error.fields) {
    const parts = field.split('.').filter((part) => part !== 'body');
    const name = parts[0];
    if (name !== undefined) found[name] ??= rule;
    if (parts.length > 1) found[parts.join('.')] ??= rule;
  }
  return found;
}

/** Reads lines of `Name: value` into pairs; what is no such line is named. */
export function readHeaders(text: string): { headers: Record<string, string>; wrong: string | null } {
  const headers: Record<string, string> = {};
  for (const line of text.split('\n')) {
    if (!line.trim()) continue;
    const place = line.indexOf(':');
    const name = line.slice(0, Math.max(0, place)).trim();
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(name)) return { headers, wrong: line.trim() };
    headers[name] = line.slice(place + 1).trim();
  }
  return { headers, wrong: null };
}

/** Writes pairs as lines, as they are read. */
export function writeHeaders(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}

/** Writes a number for a field; null is an empty field. */
export function written(value: number | null | undefined): string {
  return value === null || value === undefined ? '' : String(value);
}

/** Returns the words between commas, each once. */
export function readTags(text: string): string[] {
  return [...new Set(text.split(',').map((each) => each.trim()))].filter(Boolean);
}
