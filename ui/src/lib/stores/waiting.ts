/** Notices of calls and questions that begin to wait while something else is looked at; each leads to the decision. */
import { get } from 'svelte/store';
import { elsewhere } from '$lib/i18n/elsewhere';
import { router } from '$lib/router.svelte';
import type { QuestionRow, ValidationRequest } from '$types/validation';
import { frame } from './frame.svelte';
import { toastStore } from './toasts.svelte';
import { validationStore, type ValidationsState } from './validation';
import { workflowStore } from './workflows';

type Asked = { kind: 'call'; row: ValidationRequest } | { kind: 'question'; row: QuestionRow };

class WaitingNotices {
  /** The notices that are open, by kind and workflow: several calls of one workflow are told once. */
  readonly #open = new Map<string, { toast: number; ids: Set<string> }>();
  /** What was told, or needs not be. */
  #told = new Set<string>();
  #begun = false;

  take(now: ValidationsState): void {
    if (!now.loaded) return;
    const waits = new Map<string, Asked>();
    for (const row of now.pending) waits.set(row.id, { kind: 'call', row });
    for (const row of now.questions) waits.set(row.id, { kind: 'question', row });
    for (const [key, notice] of this.#open) {
      if ([...notice.ids].some((id) => waits.has(id))) continue;
      toastStore.close(notice.toast);
      this.#open.delete(key);
    }
    this.#told = new Set([...this.#told].filter((id) => waits.has(id)));
    for (const [id, asked] of waits) {
      if (this.#told.has(id)) continue;
      this.#told.add(id);
      // what waited before the page was open has its place in the top bar
      if (this.#begun && !isSeen(asked.row)) this.#tell(asked);
    }
    this.#begun = true;
  }

  #tell({ kind, row }: Asked): void {
    const key = `${kind} ${row.workflow_id}`;
    const before = this.#open.get(key);
    const ids = new Set(before?.ids).add(row.id);
    const t = elsewhere();
    const name = get(workflowStore).known.get(row.workflow_id)?.name ?? t.unnamed;
    const run = (): void => {
      frame.decision = { id: row.id, kind };
    };
    if (before) toastStore.close(before.toast);
    const text = kind === 'call' ? t.waits(name) : t.asks(name);
    this.#open.set(key, {
      toast: toastStore.show('waiting', text, { action: { label: t.decide, run } }),
      ids,
    });
  }
}

/** Says whether a conversation, or the list of all that waits, is on the screen. */
function isSeen(row: { workflow_id: string }): boolean {
  if (router.name === 'approvals') return true;
  const chat = (router.query.tab ?? 'chat') === 'chat';
  return router.name === 'workflow' && router.params.id === row.workflow_id && chat;
}

/** Begins to tell; returns how to stop. */
export function noticeWaiting(): () => void {
  const notices = new WaitingNotices();
  return validationStore.subscribe((now) => notices.take(now));
}
