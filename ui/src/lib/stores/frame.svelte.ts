/** What of the frame is open: the palette, the help, the login form, what is decided, and the drawers of narrow windows. */

class Frame {
  palette = $state(false);
  help = $state(false);
  /** Whether the server asked for its token. */
  login = $state(false);
  /** What waits for a person and is shown in a dialog over the view. */
  decision = $state.raw<{ id: string; kind: 'call' | 'question' } | null>(null);
  /** Which side drawer is open where the window is too narrow for columns. */
  drawer = $state<'left' | 'right' | null>(null);
}

export const frame = new Frame();
