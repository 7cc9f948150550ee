/** How a tab is connected: through the worker that all tabs share; without one, through the tab that holds a lock. */
import { Ports, sizeOf, type TabPort } from './ports';
import { RESET, type Said, type Told } from './told';

/** A tab's end of the connection. */
export interface Link {
  say: (said: Said) => void;
  close: () => void;
}

type Take = (told: Told) => void;

/** Connects a tab to the server below an address, and hands on what is told. */
export function connect(root: string, take: Take): Link {
  if (typeof SharedWorker !== 'undefined') {
    try {
      return shared(root, take);
    } catch {
      // a browser that has none to give, as in some private windows
    }
  }
  if (typeof BroadcastChannel !== 'undefined' && 'locks' in navigator) return led(root, take);
  return alone(root, take);
}

/** Connects this tab by itself. */
export function alone(root: string, take: Take): Link {
  const ports = new Ports();
  const port: TabPort = {
    postMessage: (told) => {
      take(told);
      if (told.kind === 'events') ports.said(port, { kind: 'taken', size: sizeOf(told) });
    },
  };
  ports.said(port, { kind: 'hello', root, lock: null });
  return {
    say: (said) => ports.said(port, said),
    close: () => ports.said(port, { kind: 'bye' }),
  };
}

/** Connects this tab through the worker; a tab that comes back from the browser's cache joins it anew. */
function shared(root: string, take: Take): Link {
  const worker = new SharedWorker(new URL('./worker.ts', import.meta.url), {
    type: 'module',
    name: 'stretto',
  });
  const { port } = worker;
  let told = false;
  let link: Link = {
    say: (said) => port.postMessage(said),
    close: () => port.postMessage({ kind: 'bye' } satisfies Said),
  };
  port.onmessage = (message: MessageEvent<Told>) => {
    told = true;
    take(message.data);
    if (message.data.kind === 'events') link.say({ kind: 'taken', size: sizeOf(message.data) });
  };
  worker.onerror = () => {
    // the worker could not be loaded: this tab goes on without it
    if (!told) link = alone(root, take);
  };
  void join(root, (said) => link.say(said));
  addEventListener('pagehide', () => link.say({ kind: 'bye' }));
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    void join(root, (said) => link.say(said));
    take({ kind: 'events', events: [[RESET, '{"reason":"away"}', '']] });
  });
  return { say: (said) => link.say(said), close: () => link.close() };
}

/** Says that this tab is there, with a lock that it holds as long as it lives. */
async function join(root: string, say: (said: Said) => void): Promise<void> {
  if (!('locks' in navigator)) {
    say({ kind: 'hello', root, lock: null });
    return;
  }
  const lock = `stretto.tab.${crypto.randomUUID()}`;
  await new Promise<void>((held) => {
    void navigator.locks.request(lock, () => {
      held();
      return new Promise<void>((free) => addEventListener('pagehide', () => free(), { once: true }));
    });
  });
  say({ kind: 'hello', root, lock });
}

/** Connects through the tab that holds the lock: it tells the others; when it goes, another takes its place. */
function led(root: string, take: Take): Link {
  const channel = new BroadcastChannel(`stretto.live ${root}`);
  let leader: Link | null = null;
  let last: Told | null = null;
  let heard = false;
  let lost = false;
  /** Takes what is told; what was told between two leaders is lost. */
  const hear = (told: Told) => {
    heard = true;
    take(told);
    if (!lost || told.kind !== 'link' || told.state !== 'connected') return;
    lost = false;
    take({ kind: 'events', events: [[RESET, '{"reason":"leader"}', '']] });
  };
  channel.onmessage = (message: MessageEvent<{ told?: Told; said?: Said; led?: true }>) => {
    const { told, said, led: changed } = message.data;
    if (changed) lost = heard;
    if (told && !leader) hear(told);
    if (!said || !leader) return;
    if (said.kind === 'hello' && last) channel.postMessage({ told: last });
    else leader.say(said);
  };
  channel.postMessage({ said: { kind: 'hello', root, lock: null } satisfies Said });
  const end = new AbortController();
  const lead = () => {
    lost = heard;
    channel.postMessage({ led: true });
    leader = alone(root, (told) => {
      if (told.kind === 'link') last = told;
      hear(told);
      channel.postMessage({ told });
    });
    return new Promise<void>((free) => end.signal.addEventListener('abort', () => free()));
  };
  void navigator.locks.request(`stretto.leader ${root}`, { signal: end.signal }, lead).catch(() => {});
  return {
    say: (said) => {
      if (leader) leader.say(said);
      else channel.postMessage({ said });
    },
    close: () => {
      leader?.close();
      channel.close();
      end.abort();
    },
  };
}
