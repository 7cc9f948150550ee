/** The variables of a prompt, as they stand in its content: `{{name}}`. */

const VARIABLE = /\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}/g;

/** Returns the names of the variables of a text, each once, in the order in which they first stand there. */
export function variablesIn(content: string): string[] {
  return [...new Set([...content.matchAll(VARIABLE)].map((match) => match[1] ?? ''))];
}

export interface Piece {
  text: string;
  /** The variable that this piece stands for. */
  variable: string | null;
  /** Whether something was written for it. */
  filled: boolean;
}

/** Cuts a text into what stands there as it is, and what stands for variables, filled in where there is a value. */
export function pieces(content: string, values: Readonly<Record<string, string>>): Piece[] {
  const made: Piece[] = [];
  let end = 0;
  for (const match of content.matchAll(VARIABLE)) {
    if (match.index > end) made.push({ text: content.slice(end, match.index), variable: null, filled: true });
    const name = match[1] ?? '';
    const value = Object.hasOwn(values, name) ? (values[name] ?? '') : '';
    made.push({ text: value || match[0], variable: name, filled: value !== '' });
    end = match.index + match[0].length;
  }
  if (end < content.length) made.push({ text: content.slice(end), variable: null, filled: true });
  return made;
}
