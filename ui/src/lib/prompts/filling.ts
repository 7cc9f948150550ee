/** What a prompt says when its variables are filled in, as the server fills them. */
import type { PromptVariable } from '$types/api';

const VARIABLE = /\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}/g;

/** Returns what stands for the variables at first: their defaults. */
export function startingValues(variables: readonly PromptVariable[]): Record<string, string> {
  return Object.fromEntries(variables.map((each) => [each.name, each.default ?? '']));
}

/** Returns the text with values; variables that have none stay, and are told. */
export function filled(
  content: string,
  values: Readonly<Record<string, string>>,
): { text: string; missing: string[] } {
  const missing = new Set<string>();
  const text = content.replace(VARIABLE, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : '';
    if (value) return value;
    missing.add(name);
    return whole;
  });
  return { text, missing: [...missing] };
}
