/** The tabs that share one connection: each is told everything, and one that takes nothing is not waited for. */
import { BROWSER, Source, type Surroundings } from './source';
import { RESET, type LinkTold, type RawEvent, type Said, type Told } from './told';

/** For how long events are gathered that come close behind each other (milliseconds). */
const GATHER = 12;
/** So many characters are sent at once at the most. */
const PIECE = 256_000;
/** How much a tab may be behind before it is told nothing more but to load anew (characters). */
const BEHIND = 8_000_000;

/** What a tab's port is to the worker. */
export interface TabPort {
  postMessage: (told: Told) => void;
}

/** What the worker needs to notice that a tab is gone: resolves when a lock of that name is free. */
export type Released = (lock: string) => Promise<void>;

interface Tab {
  behind: number;
  /** Whether it lost events: it is told so when it takes something again. */
  lost: boolean;
}

const NEVER: Released = () => new Promise(() => {});

/** Holds one source for all tabs, as long as there are any. */
export class Ports {
  readonly #tabs = new Map<TabPort, Tab>();
  #source: Source | null = null;
  #link: Omit<LinkTold, 'kind' | 'tabs'> = { state: 'connecting', retryAt: null };
  #gathered: RawEvent[] = [];
  #size = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sent = 0;

  constructor(
    private readonly released: Released = NEVER,
    private readonly around: Surroundings = BROWSER,
  ) {}

  /** How many tabs there are. */
  get count(): number {
    return this.#tabs.size;
  }

  /** Takes what a tab says. */
  said(port: TabPort, said: Said): void {
    switch (said.kind) {
      case 'hello':
        this.#join(port, said.root, said.lock);
        break;
      case 'taken':
        this.#took(port, said.size);
        break;
      case 'retry':
        this.#source?.retryNow();
        break;
      case 'unauthorized':
        this.#source?.unauthorized();
        break;
      case 'bye':
        this.#leave(port);
    }
  }

  #join(port: TabPort, root: string, lock: string | null): void {
    this.#flush(); // what came before is not for the new one
    this.#tabs.set(port, { behind: 0, lost: false });
    if (lock) void this.released(lock).then(() => this.#leave(port));
    if (!this.#source) {
      this.#source = new Source(
        root,
        (event) => this.#take(event),
        (told) => this.#changed(told),
        this.around,
      );
      this.#source.start();
    } else if (this.#source.state === 'unauthorized') this.#source.retryNow(); // somebody may have signed in
    this.#tell();
  }

  #leave(port: TabPort): void {
    if (!this.#tabs.delete(port)) return;
    if (this.#tabs.size) {
      this.#tell();
      return;
    }
    this.#source?.stop();
    this.#source = null;
    this.#link = { state: 'connecting', retryAt: null };
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#gathered = [];
    this.#size = 0;
  }

  #changed(told: Omit<LinkTold, 'kind' | 'tabs'>): void {
    this.#link = told;
    this.#flush();
    this.#tell();
  }

  #tell(): void {
    for (const port of this.#tabs.keys())
      port.postMessage({ kind: 'link', tabs: this.#tabs.size, ...this.#link });
  }

  /** Sends an event at once when there was none for a while, otherwise with those that come right behind it. */
  #take(event: RawEvent): void {
    this.#gathered.push(event);
    this.#size += event[1].length;
    if (this.#size >= PIECE) this.#flush();
    else if (this.#timer === undefined) {
      const wait = this.#sent + GATHER - this.around.now();
      if (wait <= 0) this.#flush();
      else this.#timer = setTimeout(() => this.#flush(), wait);
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#gathered.length) return;
    const events = this.#gathered;
    const size = this.#size;
    this.#gathered = [];
    this.#size = 0;
    this.#sent = this.around.now();
    for (const [port, tab] of this.#tabs) {
      if (tab.lost) continue;
      if (tab.behind + size > BEHIND && tab.behind > 0) tab.lost = true;
      else {
        tab.behind += size;
        port.postMessage({ kind: 'events', events });
      }
    }
  }

  #took(port: TabPort, size: number): void {
    const tab = this.#tabs.get(port);
    if (!tab) return;
    tab.behind = Math.max(0, tab.behind - size);
    if (!tab.lost || tab.behind > 0) return;
    tab.lost = false;
    port.postMessage({ kind: 'events', events: [[RESET, '{"reason":"behind"}', '']] });
  }
}

/** How much a tab says it has taken of a message. */
export function sizeOf(told: Told): number {
  if (told.kind !== 'events') return 0;
  return told.events.reduce((sum, [, data]) => sum + data.length, 0);
}
