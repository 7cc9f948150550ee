/** How a tab is connected: through the worker that all tabs share, or by itself. */
import { Source } from './source';
import type { RawEvent, Said, Told } from './told';

/** A tab's end of the connection. */
export interface Link {
  say: (said: Said) => void;
  close: () => void;
}

/** Connects a tab to the server below an address, and hands on what is told. */
export function connect(root: string, take: (told: Told) => void): Link {
  return alone(root, take);
}

/** Connects this tab by itself. */
export function alone(root: string, take: (told: Told) => void): Link {
  const source = new Source(
    root,
    (event: RawEvent) => take({ kind: 'events', events: [event] }),
    (told) => take({ kind: 'link', tabs: 1, ...told }),
  );
  source.start();
  return {
    say: (said) => {
      if (said.kind === 'retry') source.retryNow();
      else if (said.kind === 'unauthorized') source.unauthorized();
    },
    close: () => source.stop(),
  };
}
