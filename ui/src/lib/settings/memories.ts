/** Forms of memories: what is sent for what was typed, and what an exported file holds. */
import { readNumber } from './values';
import type { MemoryImport } from '$types/api';

export const TYPES = ['user_pref', 'context', 'knowledge', 'decision'] as const;
export type MemoryType = (typeof TYPES)[number];
const DAY = 86_400;

/** Returns the seconds of so many days as they were typed; undefined where nothing was. */
export function secondsOf(days: string): number | undefined {
  const read = readNumber(days, { min: 0, max: 3660, above: true });
  return 'wrong' in read || read.value === null ? undefined : read.value * DAY;
}

/** Reads an export of memories; null for anything else. */
export function readMemories(text: string, conflicts: 'skip' | 'overwrite'): MemoryImport | null {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== 'object' || found === null || !('memories' in found)) return null;
    if (!Array.isArray(found.memories)) return null;
    return {
      version: '1.0',
      memories: found.memories as MemoryImport['memories'],
      conflicts,
      embed: true,
    };
  } catch {
    return null;
  }
}
