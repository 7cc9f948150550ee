/** Gives the focus to what somebody has just asked for: `{@attach focused}`. */

/** Focuses an element when it appears. */
export function focused(element: HTMLElement): void {
  element.focus();
}

/** Focuses an element when it appears, but never takes the focus from what stands elsewhere. */
export function politelyFocused(element: HTMLElement): void {
  const here = document.activeElement;
  if (here === null || here === document.body || element.closest('section')?.contains(here)) element.focus();
}
