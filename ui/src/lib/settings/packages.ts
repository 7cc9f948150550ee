/** Packages that are exported and imported: read from a text, counted, and asked about. */
import type { Package, PlannedItem } from '$types/api';

export const KINDS = ['providers', 'models', 'mcp_servers', 'prompts', 'agents', 'settings'] as const;
export type Kind = (typeof KINDS)[number];
/** How large a package may be (bytes). */
export const LARGEST = 10 * 2 ** 20;

export type ReadPackage =
  | { package: Package; counts: Record<Kind, number> }
  | { wrong: 'empty' | 'tooLarge' | 'notJson' | 'notPackage' | 'otherVersion' };

/** Reads a package from a text; the server looks at it in full. */
export function readPackage(text: string): ReadPackage {
  if (!text.trim()) return { wrong: 'empty' };
  if (new Blob([text]).size > LARGEST) return { wrong: 'tooLarge' };
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return { wrong: 'notJson' };
  }
  if (typeof found !== 'object' || found === null || !('schema_version' in found))
    return { wrong: 'notPackage' };
  if (found.schema_version !== '1.0') return { wrong: 'otherVersion' };
  const made = found as Package;
  return { package: made, counts: countsOf(made) };
}

/** Counts the things of each kind in a package. */
export function countsOf(held: Package): Record<Kind, number> {
  const list = (value: unknown): number => (Array.isArray(value) ? value.length : 0);
  return {
    providers: list(held.providers),
    models: list(held.models),
    mcp_servers: list(held.mcp_servers),
    prompts: list(held.prompts),
    agents: list(held.agents),
    settings: held.settings ? 1 : 0,
  };
}

/** Says whether a thing can be given another name: providers, models and settings are what their names say. */
export function renames(kind: string): boolean {
  return kind === 'agents' || kind === 'prompts' || kind === 'mcp_servers';
}

/** Returns everything that is still asked for, by its ids. */
export function neededBy(
  items: readonly PlannedItem[],
): { id: string; field: string; secret: boolean; of: string }[] {
  return items.flatMap((item) =>
    (item.needs ?? []).map((need) => ({
      id: need.id,
      field: need.field,
      secret: need.kind === 'secret',
      of: item.name,
    })),
  );
}
