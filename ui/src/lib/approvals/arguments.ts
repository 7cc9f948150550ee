/** The arguments of a call as fields that can be edited, and what was changed in them. */

export type Arguments = Record<string, unknown>;
export type FieldKind = 'text' | 'number' | 'boolean' | 'json';
export type FieldProblem = 'number' | 'json' | 'object';

/** One argument as it is written; `long` ones need more than a line. */
export interface ArgumentField {
  name: string;
  kind: FieldKind;
  text: string;
  long: boolean;
}

/** A place whose value differs; an end that is undefined has no such place. */
export interface Change {
  path: string;
  before?: string;
  after?: string;
}

/** A text whose middle was replaced; `cut` ends stand for more of the same. */
export interface TextChange {
  head: string;
  removed: string;
  added: string;
  tail: string;
}

/** How many changes are told. */
const MOST = 200;
/** How much of what stayed is shown on each side of a change (characters). */
const AROUND = 60;

/** Says whether a value can be edited as arguments. */
export function isArguments(value: unknown): value is Arguments {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns a field for every argument, in their order. */
export function fieldsOf(given: Arguments): ArgumentField[] {
  return Object.entries(given).map(([name, value]) => {
    const kind = kindOf(value);
    const text = kind === 'json' ? JSON.stringify(value, null, 2) : String(value);
    return { name, kind, text, long: kind === 'json' || text.length > 80 || text.includes('\n') };
  });
}

function kindOf(value: unknown): FieldKind {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'number';
  return typeof value === 'boolean' ? 'boolean' : 'json';
}

/** Reads fields; what was not changed keeps its value exactly. */
export function readFields(
  fields: readonly ArgumentField[],
  given: Arguments,
): { values: Arguments; wrong: Map<string, FieldProblem> } {
  const untouched = new Map(fieldsOf(given).map((field) => [field.name, field]));
  const wrong = new Map<string, FieldProblem>();
  const values = fields.map(({ name, kind, text }): [string, unknown] => {
    const before = untouched.get(name);
    if (before?.kind === kind && before.text === text) return [name, given[name]];
    if (kind === 'text') return [name, text];
    if (kind === 'boolean') return [name, text === 'true'];
    try {
      const value: unknown = JSON.parse(text);
      if (kind === 'json' || typeof value === 'number') return [name, value];
    } catch {
      // told below
    }
    wrong.set(name, kind);
    return [name, given[name]];
  });
  return { values: Object.fromEntries(values), wrong };
}

/** Reads arguments that were written as JSON. */
export function readJson(text: string): { values: Arguments | null; wrong: FieldProblem | null } {
  try {
    const value: unknown = JSON.parse(text);
    return isArguments(value) ? { values: value, wrong: null } : { values: null, wrong: 'object' };
  } catch {
    return { values: null, wrong: 'json' };
  }
}

/** Returns where two values differ, with paths as `files[0].name`; two hundred at the most. */
export function changesOf(before: unknown, after: unknown): Change[] {
  const found: Change[] = [];
  compare(before, after, '', found);
  return found;
}

function compare(before: unknown, after: unknown, path: string, found: Change[]): void {
  if (found.length >= MOST || before === after) return;
  if (Array.isArray(before) && Array.isArray(after)) {
    for (let place = 0; place < Math.max(before.length, after.length); place++)
      compare(before[place], after[place], `${path}[${place}]`, found);
  } else if (isArguments(before) && isArguments(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const inner = path ? `${path}.${name}` : name;
      compare(own(before, name), own(after, name), inner, found);
    }
  } else {
    const change: Change = { path };
    if (before !== undefined) change.before = told(before);
    if (after !== undefined) change.after = told(after);
    found.push(change);
  }
}

function own(of: Arguments, name: string): unknown {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}

function told(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

/** Returns what was replaced in a text, with a little of what stayed around it. */
export function textChange(before: string, after: string): TextChange {
  const [old, fresh] = [[...before], [...after]];
  const shorter = Math.min(old.length, fresh.length);
  let head = 0;
  while (head < shorter && old[head] === fresh[head]) head++;
  let tail = 0;
  while (tail < shorter - head && old[old.length - 1 - tail] === fresh[fresh.length - 1 - tail]) tail++;
  const first = old.slice(0, head);
  const last = old.slice(old.length - tail);
  return {
    head: (first.length > AROUND ? '…' : '') + first.slice(-AROUND).join(''),
    removed: old.slice(head, old.length - tail).join(''),
    added: fresh.slice(head, fresh.length - tail).join(''),
    tail: last.slice(0, AROUND).join('') + (last.length > AROUND ? '…' : ''),
  };
}
