/** Makes text from a model safe to read: no hidden direction, no control characters, no bottomless nesting. */

/** How many quotes and list marks one line may open; the rest is shown as text. */
export const DEEPEST = 24;
/** How far a list mark may be indented (columns). */
const FURTHEST = 48;

// eslint-disable-next-line no-control-regex -- these are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/g;
const SURROGATES = /\p{Surrogate}/gu;
const MARK = /^(?:[-*+]|\d{1,9}[.)])(?=[ \t])/;

/** Shows what would change the order of the text or has no glyph; nothing of it is left to act. */
export function visible(text: string): string {
  return text
    .replace(SURROGATES, '\ufffd')
    .replace(CONTROLS, '\ufffd')
    .replace(DIRECTIONS, (found) => `⟦U+${found.charCodeAt(0).toString(16).toUpperCase()}⟧`);
}

/** Says whether a text holds what shows nothing, or changes the order of what is shown. */
export function isHidden(text: string): boolean {
  return visible(text) !== text;
}

/** Ends the nesting of a line behind its marks, because a parser would call itself once for each. */
function shallow(line: string): string {
  let place = 0;
  let marks = 0;
  while (place < line.length) {
    const char = line[place];
    if (char === ' ' || char === '\t') {
      place++;
      continue;
    }
    const mark = char === '>' ? '>' : MARK.exec(line.slice(place, place + 12))?.[0];
    if (!mark) return line;
    if (marks === 0 && place > FURTHEST) return ' '.repeat(FURTHEST) + line.slice(place);
    if (++marks > DEEPEST) return `${line.slice(0, place)}\\${line.slice(place)}`;
    place += mark.length;
  }
  return line;
}

/** Makes whole lines harmless; the same lines give the same result wherever they stand. */
export function tamed(text: string): string {
  return visible(text.replace(/\r\n?/g, '\n')).split('\n').map(shallow).join('\n');
}
