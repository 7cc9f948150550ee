/** How a decision is told: its word, its status and who made it. */
import { approvalWords } from '$lib/i18n/approvals';
import { chatWords } from '$lib/i18n/chat';
import { visible } from '$lib/markdown/taming';

/** Returns the word for how a call or a question stands, in the language in force. */
export function standing(status: string): string {
  const [t, c] = [approvalWords(), chatWords()];
  const words: Record<string, string> = {
    pending: t.pending,
    approved: t.approved,
    rejected: t.rejected,
    denied: t.denied,
    escalated: t.escalatedState,
    withdrawn: t.withdrawn,
    answered: t.answered,
    skipped: c.skipped,
    timeout: c.timedOut,
  };
  return words[status] ?? status;
}

/** Returns the status by whose colour it is shown. */
export function shownAs(status: string): 'completed' | 'cancelled' | 'waiting' {
  if (status === 'pending') return 'waiting';
  return status === 'approved' || status === 'answered' ? 'completed' : 'cancelled';
}

/** Tells who decided. */
export function decider(by: string | null): string {
  const t = approvalWords();
  if (!by) return '';
  return by === 'page' ? t.here : t.byOf(by === 'timeout' ? t.timeoutBy : visible(by));
}
