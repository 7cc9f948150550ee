/** How figures are told: durations, times, money, tokens and sizes, in the language in force. */
import { look } from '$lib/stores/look.svelte';

const formats = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>();

function cached<F extends Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>(
  name: string,
  make: (locale: string) => F,
): F {
  const key = `${look.locale} ${name}`;
  const found = formats.get(key) ?? make(look.locale);
  formats.set(key, found);
  return found as F;
}

/** Tells a number, with at most so many digits after the point. */
export function number(value: number, digits = 0): string {
  return cached(`n${digits}`, (l) => new Intl.NumberFormat(l, { maximumFractionDigits: digits })).format(
    value,
  );
}

function fixed(value: number, digits: number): string {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return cached(`f${digits}`, (l) => new Intl.NumberFormat(l, options)).format(value);
}

/** The letters of units: in French a minute is `min`, a day `j` and a byte `o`. */
const UNITS = {
  en: { minute: 'm', day: 'd', byte: 'B' },
  fr: { minute: 'min', day: 'j', byte: 'o' },
} as const;

/** Tells milliseconds: `38 ms`, `1.68 s`, `41.8 s`, `2 m 05 s`, `3 h 04 m`, `2 d 3 h`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  const size = Math.abs(ms);
  if (size < 1) return `${size === 0 ? '0' : fixed(ms, 1)} ms`;
  if (size < 999.5) return `${number(ms)} ms`;
  if (size < 9_995) return `${fixed(ms / 1000, 2)} s`;
  if (size < 59_950) return `${fixed(ms / 1000, 1)} s`;
  const { minute, day } = UNITS[look.locale];
  const seconds = Math.round(ms / 1000);
  const two = (value: number) => String(Math.abs(value)).padStart(2, '0');
  if (Math.abs(seconds) < 3600) return `${Math.trunc(seconds / 60)} ${minute} ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (Math.abs(minutes) < 1440) return `${Math.trunc(minutes / 60)} h ${two(minutes % 60)} ${minute}`;
  return `${Math.trunc(minutes / 1440)} ${day} ${Math.trunc((minutes % 1440) / 60)} h`;
}

/** Tells US dollars: `$0`, `<$0.0001`, `$0.0140`, `$12.30`; null is an unknown price, which is not 0. */
export function cost(usd: number | null | undefined, unknown: string): string {
  if (usd === null || usd === undefined) return unknown;
  if (usd === 0) return '$0';
  if (usd < 0.0001) return '<$0.0001';
  return `$${fixed(usd, usd < 0.01 ? 4 : usd < 1 ? 3 : 2)}`;
}

/** Tells a count shortly: `612`, `1.8k`, `128k`, `2.4M`. */
export function count(value: number): string {
  if (value < 1000) return number(value);
  if (value < 999_500) return `${number(value / 1000, value < 9_950 ? 1 : 0)}k`;
  return `${number(value / 1_000_000, 1)}M`;
}

/** Tells a share from 0 to 1: `64 %`. */
export function percent(share: number, digits = 0): string {
  return `${number(share * 100, digits)} %`;
}

/** Tells how many characters or bytes: `812 B`, `4.1 kB`, `10 MB`. */
export function bytes(size: number): string {
  const { byte } = UNITS[look.locale];
  if (size < 1000) return `${size} ${byte}`;
  if (size < 999_500) return `${number(size / 1000, size < 9_950 ? 1 : 0)} k${byte}`;
  return `${number(size / 1_000_000, 1)} M${byte}`;
}

/** Turns what the server tells of a time into milliseconds: ISO 8601 text, or Unix seconds. */
export function millis(time: string | number): number {
  return typeof time === 'number' ? time * 1000 : Date.parse(time);
}

/** Tells an instant in full, for a tooltip. */
export function instant(time: string | number): string {
  const options: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'medium' };
  const at = millis(time);
  return Number.isFinite(at) ? cached('i', (l) => new Intl.DateTimeFormat(l, options)).format(at) : '–';
}

/** Tells the time of a day: `14:02`. */
export function clock(time: string | number): string {
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit' };
  const at = millis(time);
  return Number.isFinite(at) ? cached('c', (l) => new Intl.DateTimeFormat(l, options)).format(at) : '–';
}

/** Tells how long ago an instant was: `3 min ago`; a clock that differs never gives a time in the future. */
export function ago(time: string | number, now = Date.now()): string {
  const at = millis(time);
  if (!Number.isFinite(at)) return '–';
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  const format = cached('r', (l) => new Intl.RelativeTimeFormat(l, { numeric: 'auto', style: 'short' }));
  if (seconds < 60) return format.format(-seconds, 'second');
  if (seconds < 3600) return format.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 86_400) return format.format(-Math.round(seconds / 3600), 'hour');
  return format.format(-Math.round(seconds / 86_400), 'day');
}
