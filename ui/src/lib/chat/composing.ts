/** Rules of writing a message: how long it may be, and which sent one the arrows bring back. */

/** How many characters a message may have, as the server counts them. */
export const MOST = 100_000;

/** Returns how many characters a text has: a pair of halves is one. */
export function lengthOf(text: string): number {
  let count = 0;
  for (let place = 0; place < text.length; place++, count++) {
    const code = text.charCodeAt(place);
    if (code >= 0xd800 && code <= 0xdbff && place + 1 < text.length) {
      const next = text.charCodeAt(place + 1);
      if (next >= 0xdc00 && next <= 0xdfff) place++;
    }
  }
  return count;
}

/** Returns which of the sent texts is shown after a step up (1) or down (-1); -1 is none of them. */
export function recalled(place: number, step: 1 | -1, count: number): number {
  return Math.max(-1, Math.min(count - 1, place + step));
}
