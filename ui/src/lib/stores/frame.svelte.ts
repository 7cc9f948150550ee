/** What of the frame is open: the palette, the help, the login form, and the drawers of narrow windows. */

class Frame {
  palette = $state(false);
  help = $state(false);
  /** Whether the server asked for its token. */
  login = $state(false);
  /** Which side drawer is open where the window is too narrow for columns. */
  drawer = $state<'left' | 'right' | null>(null);
}

export const frame = new Frame();
