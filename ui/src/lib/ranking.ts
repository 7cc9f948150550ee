/** How well a text fits what was typed: every word must be found, beginnings count more than middles. */

/** Folds case and accents away. */
export function plain(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{Mark}+/gu, '')
    .toLowerCase();
}

/** Returns a score, higher for a better fit, or 0 when a typed word is not in the text. */
export function fit(typed: string, text: string): number {
  const words = plain(typed).split(/\s+/).filter(Boolean);
  const given = plain(text);
  let score = 1;
  for (const word of words) {
    const place = given.indexOf(word);
    if (place < 0) return 0;
    const begins = place === 0 || /[^\p{Letter}\p{Number}]/u.test(given[place - 1] ?? '');
    score += (begins ? 4 : 1) + word.length / Math.max(given.length, 1) + (place === 0 ? 2 : 0);
  }
  return score;
}

/** Returns what fits, best first; what fits equally keeps its order. */
export function ranked<T>(typed: string, all: readonly T[], textOf: (each: T) => string, most: number): T[] {
  if (!typed.trim()) return all.slice(0, most);
  return all
    .map((each) => ({ each, score: fit(typed, textOf(each)) }))
    .filter(({ score }) => score > 0)
    .toSorted((first, second) => second.score - first.score)
    .slice(0, most)
    .map(({ each }) => each);
}
