/** Checks of what is typed into forms, with the server's own limits, and what the server says against single fields. */
import { ApiError } from '$lib/api';
import { readNumber, type Bounds } from '$lib/settings/values';

/** What is wrong with a field; `formWords().said` makes a sentence of it. */
export type Complaint =
  | {
      rule:
        | 'required'
        | 'control'
        | 'notNumber'
        | 'notWhole'
        | 'model'
        | 'id'
        | 'serverName'
        | 'address'
        | 'pairs';
    }
  | { rule: 'longer'; length: number; most: number }
  | { rule: 'between'; min: number; max: number }
  | { rule: 'atMost'; most: number }
  | { rule: 'line'; line: string };

export type Complaints = Readonly<Record<string, Complaint | undefined>>;

/** Counts characters as the server does, not the halves of those beyond the basic plane. */
export function lengthOf(text: string): number {
  return [...text].length;
}

/** Checks that a text is no longer than allowed, and not empty where it must not be. */
export function checkText(text: string, most: number, required = false): Complaint | undefined {
  if (required && text === '') return { rule: 'required' };
  const length = lengthOf(text);
  return length > most ? { rule: 'longer', length, most } : undefined;
}

/** Checks a name: one line with something in it that can be seen. */
export function checkName(text: string, most: number): Complaint | undefined {
  if (text.trim() === '') return { rule: 'required' };
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  return /[\u0000-\u001f\u007f-\u009f]/.test(text) ? { rule: 'control' } : checkText(text, most);
}

/** Checks a number within bounds; an empty field is wrong where a number is needed. */
export function checkNumber(text: string, bounds: Bounds, required = false): Complaint | undefined {
  const read = readNumber(text, bounds);
  if (!('wrong' in read)) return required && read.value === null ? { rule: 'required' } : undefined;
  if (read.wrong === 'outside') return { rule: 'between', min: bounds.min ?? 0, max: bounds.max ?? 0 };
  return { rule: read.wrong };
}

/** Returns a number as it was typed; null for nothing, or for what is no number. */
export function numberOf(text: string): number | null {
  const read = readNumber(text);
  return 'wrong' in read ? null : read.value;
}

/** Returns the lines of a text without the empty ones and the spaces around them. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

/** Says whether anything is wrong. */
export function isWrong(complaints: Complaints): boolean {
  return Object.values(complaints).some(Boolean);
}

/** Returns what the server says against a field, or what lies within it; `taken` is a name that is there already. */
export function refusalOf(error: unknown, field: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  if (error.code === 'taken' && field === 'name') return error.message;
  const found = error.fields.find((each) => {
    const path = each.field.replace(/^body\./, '').replace(/^(stdio|http)\./, '');
    return path === field || path.startsWith(`${field}.`);
  });
  return found?.rule;
}
