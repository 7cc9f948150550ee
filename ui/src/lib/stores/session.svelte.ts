/** Whether the server asks for a token, and how this browser signs out again. */
import { api, call } from '$lib/api';

class Session {
  /** Whether this browser was let in by a token: only then is there something to sign out of. */
  held = $state(false);

  /** Asks how this browser stands, and returns whether it is let in. */
  async look(): Promise<boolean> {
    const found = await call(api.GET('/api/session'));
    this.held = found.token_needed && found.open;
    return found.open;
  }

  /** Has the browser forget that it was let in, and begins anew: the page asks for the token then. */
  async signOut(): Promise<void> {
    await call(api.DELETE('/api/session'));
    this.held = false;
    location.reload();
  }
}

export const session = new Session();
