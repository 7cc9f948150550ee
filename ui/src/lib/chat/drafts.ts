/** What was typed and not sent, kept for each workflow in this browser. */
import { keep, kept } from '$lib/stores/look.svelte';

const KEY = 'stretto.drafts';
const MOST = 50;
/** Longer ones are not kept: the storage of a browser is small (characters). */
const LONGEST = 20_000;

/** What this browser could not keep: it lasts as long as the page. */
const passing = new Map<string, string>();

/** Returns what was typed in a workflow. */
export function draftOf(workflowId: string): string {
  const now = passing.get(workflowId);
  if (now !== undefined) return now;
  const found = kept<Record<string, string>>(KEY)[workflowId];
  return typeof found === 'string' ? found : '';
}

/** Keeps what was typed in a workflow, and says whether this browser could; an empty text is forgotten. */
export function keepDraft(workflowId: string, text: string): boolean {
  const lasts = store(workflowId, text);
  if (lasts || !text) passing.delete(workflowId);
  else passing.set(workflowId, text);
  return lasts;
}

/** Puts what was not sent before what was typed since. */
export function keepUnsent(workflowId: string, text: string): void {
  keepDraft(workflowId, withUnsent(text, draftOf(workflowId)));
}

/** Returns a text with what was not sent before it, once. */
export function withUnsent(unsent: string, text: string): string {
  return text === '' || text === unsent ? unsent : `${unsent}\n\n${text}`;
}

function store(workflowId: string, text: string): boolean {
  const known = Object.entries(kept<Record<string, string>>(KEY)).filter(([id]) => id !== workflowId);
  if (text && text.length > LONGEST) return false;
  const all = text ? [...known, [workflowId, text] as const] : known;
  return keep(KEY, Object.fromEntries(all.slice(-MOST)));
}
