/** The sections of the settings, as they stand in the address. */

export const GROUPS = {
  work: ['providers', 'validation', 'prompts', 'memory'],
  page: ['appearance', 'language'],
  server: ['transfer', 'server'],
} as const;

export type SectionName = (typeof GROUPS)[keyof typeof GROUPS][number];
export const SECTIONS: readonly SectionName[] = [...GROUPS.work, ...GROUPS.page, ...GROUPS.server];

/** Returns the section of an address, or null when there is none of that name. */
export function sectionOf(name: string | undefined): SectionName | null {
  return SECTIONS.find((each) => each === name) ?? null;
}
