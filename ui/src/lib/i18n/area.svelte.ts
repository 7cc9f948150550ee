/** Words of one area of the page in every language; a language that lacks one does not compile. */
import { look } from '$lib/stores/look.svelte';

export type Words = Record<string, string | ((...given: never[]) => string)>;
type Same<E extends Words> = { readonly [K in keyof E]: E[K] extends string ? string : E[K] };

/**
 * Returns a function that gives the words of the language in force.
 *
 * A sentence with values is a function of them, so that each language orders and bends it as it must:
 * `const t = $derived(chat())`, then `t.send` and `t.parallel(4)`.
 */
export function area<E extends Words>(
  en: E,
  fr: Same<E>,
): (() => Same<E>) & { all: { en: Same<E>; fr: Same<E> } } {
  const all = { en: en as Same<E>, fr };
  return Object.assign(() => all[look.locale], { all });
}
