/** What was typed and not sent, kept for each workflow in this browser. */
import { keep, kept } from '$lib/stores/look.svelte';

const KEY = 'stretto.drafts';
const MOST = 50;
/** Longer ones are not kept: the storage of a browser is small (characters). */
const LONGEST = 20_000;

/** Returns what was typed in a workflow. */
export function draftOf(workflowId: string): string {
  const found = kept<Record<string, string>>(KEY)[workflowId];
  return typeof found === 'string' ? found : '';
}

/** Keeps what was typed in a workflow, and says whether this browser could; an empty text is forgotten. */
export function keepDraft(workflowId: string, text: string): boolean {
  const known = Object.entries(kept<Record<string, string>>(KEY)).filter(([id]) => id !== workflowId);
  if (text && text.length > LONGEST) return false;
  const all = text ? [...known, [workflowId, text] as const] : known;
  return keep(KEY, Object.fromEntries(all.slice(-MOST)));
}
