/** The request or question that is looked at: as it waits, and as it was decided, here or elsewhere. */
import { untrack } from 'svelte';
import { fromStore } from 'svelte/store';
import { api, call } from '$lib/api';
import { pendingQuestions, pendingValidations } from '$lib/stores/validation';
import type { QuestionRow, ValidationRequest } from '$types/validation';

export type WaitingItem = { kind: 'call'; row: ValidationRequest } | { kind: 'question'; row: QuestionRow };
export interface Named {
  id: string;
  kind: WaitingItem['kind'];
}

/** Rows are written a moment after the stream tells of them (milliseconds). */
const SOON = 300;
const TRIES = 10;

const calls = fromStore(pendingValidations);
const questions = fromStore(pendingQuestions);

/** Returns all that waits, oldest first; what is about to time out is not moved, so that nothing jumps. */
export function waitingItems(): WaitingItem[] {
  const all: WaitingItem[] = [
    ...calls.current.map((row) => ({ kind: 'call' as const, row })),
    ...questions.current.map((row) => ({ kind: 'question' as const, row })),
  ];
  return all.sort((one, other) => Date.parse(one.row.created_at) - Date.parse(other.row.created_at));
}

export class Shown {
  #kept = $state.raw<WaitingItem | null>(null);
  /** Whether it is being decided: it waits no more, and its row is not written yet. */
  settling = $state(false);
  error = $state.raw<unknown>(null);
  #asked = 0;
  readonly #named: () => Named | null;
  readonly #waiting = $derived.by(() => {
    const named = this.#named();
    return named ? (waitingItems().find((each) => each.row.id === named.id) ?? null) : null;
  });
  readonly item = $derived.by(() => {
    const named = this.#named();
    return this.#waiting ?? (this.#kept && this.#kept.row.id === named?.id ? this.#kept : null);
  });

  /** Follows what is named, as long as the component lives that makes it. */
  constructor(named: () => Named | null) {
    this.#named = named;
    $effect(() => {
      const wanted = this.#named();
      const waits = this.#waiting;
      this.#asked++;
      this.error = null;
      this.settling = false;
      if (waits) this.#kept = waits;
      else if (wanted) untrack(() => void this.#load(wanted, this.#asked));
    });
  }

  async #load(wanted: Named, asked: number): Promise<void> {
    const seen = this.#kept?.row.id === wanted.id;
    this.settling = seen;
    try {
      for (let tried = 0; tried < TRIES; tried++) {
        const found = await loaded(wanted);
        if (asked !== this.#asked) return;
        this.#kept = found;
        if (found.row.status !== 'pending' || !seen) break;
        await new Promise((done) => setTimeout(done, SOON));
        if (asked !== this.#asked) return;
      }
    } catch (error) {
      if (asked !== this.#asked) return;
      this.error = error;
    }
    this.settling = false;
  }
}

async function loaded({ id, kind }: Named): Promise<WaitingItem> {
  if (kind === 'call') {
    const params = { path: { validation_id: id } };
    return { kind, row: await call(api.GET('/api/validations/{validation_id}', { params })) };
  }
  const params = { path: { question_id: id } };
  return { kind, row: await call(api.GET('/api/questions/{question_id}', { params })) };
}
