/** A step as the call that would make it again, in Python. */

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const KEYWORDS = new Set(
  (
    'False None True and as assert async await break class continue def del elif else except finally for from global ' +
    'if import in is lambda nonlocal not or pass raise return try while with yield'
  ).split(' '),
);

/** Writes a value of JSON as a Python literal. */
export function literal(value: unknown, indent = ''): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : `float("${value}")`;
  if (typeof value === 'string') return quoted(value);
  const more = `${indent}    `;
  const parts = Array.isArray(value)
    ? value.map((each) => literal(each, more))
    : Object.entries(value).map(([key, each]) => `${quoted(key)}: ${literal(each, more)}`);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const line = `${open}${parts.join(', ')}${close}`;
  if (line.length + indent.length <= 88 && !line.includes('\n')) return line;
  return `${open}\n${parts.map((part) => `${more}${part},\n`).join('')}${indent}${close}`;
}

function quoted(text: string): string {
  // JSON's escapes are Python's, but for the halves of pairs, which Python takes as they are written
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, (letter) => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/**
 * Writes a call of a name: an object's keys become the names of arguments where Python allows that.
 *
 * A tool's input holds its `arguments` beside other things; they are what it was called with.
 */
export function pythonCall(name: string, input: unknown): string {
  const called =
    NAME.test(name) && !KEYWORDS.has(name)
      ? name
      : name.replace(/\W/g, '_').replace(/^(?=\d)/, '_') || 'step';
  if (input === null || input === undefined) return `${called}()`;
  const held = typeof input === 'object' && 'arguments' in input ? input.arguments : null;
  if (held && typeof held === 'object' && !Array.isArray(held)) return pythonCall(name, held);
  const named =
    typeof input === 'object' &&
    !Array.isArray(input) &&
    Object.keys(input).every((key) => NAME.test(key) && !KEYWORDS.has(key));
  if (!named) return `${called}(${literal(input)})`;
  const parts = Object.entries(input).map(([key, value]) => `${key}=${literal(value, '    ')}`);
  const line = `${called}(${parts.join(', ')})`;
  if (line.length <= 88 && !line.includes('\n')) return line;
  return `${called}(\n${parts.map((part) => `    ${part},\n`).join('')})`;
}
