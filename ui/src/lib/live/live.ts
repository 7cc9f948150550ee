/** What the server tells while it happens, for whoever in the page wants to hear it. */
import { api, ROOT, onRefused } from '$lib/api';
import { clock } from '$lib/live/clock';
import type { StreamChunk, ValidationRequired, ValidationResponse, WorkflowComplete } from '$types/streaming';
import { connect, type Link } from './link';
import { RESET, type LinkTold, type Told } from './told';

/** That a workflow, an execution or a task of it stands differently now; `status` also says `created`, `deleted`… */
export interface WorkflowUpdate {
  workflow_id: string;
  status: string;
  run_id?: string;
  task_id?: string;
  task_status?: string;
}

/** That a run which is of no workflow stands differently now. */
export interface RunUpdate {
  run_id: string;
  status: string;
}

/** The data of each event by its name. */
export interface EventData {
  workflow_stream: StreamChunk;
  sub_agent_start: StreamChunk;
  sub_agent_progress: StreamChunk;
  sub_agent_complete: StreamChunk;
  sub_agent_error: StreamChunk;
  workflow_complete: WorkflowComplete;
  workflow_update: WorkflowUpdate;
  validation_required: ValidationRequired;
  validation_response: ValidationResponse;
  run_update: RunUpdate;
  span_update: unknown;
}
export type EventName = keyof EventData;

type Handler = (data: never, id: string) => void;

/** How long a first connection may take before what was loaded meanwhile counts as old (milliseconds). */
const SOON = 300;

class Live {
  #handlers = new Map<string, Set<Handler>>();
  #resets = new Set<() => void>();
  #links = new Set<(told: LinkTold) => void>();
  #link: Link | null = null;
  #connected = false;
  #late = false;
  #settle: () => void = () => {};
  /** Resolves when what is loaded from now on misses nothing, or when that takes too long. */
  readonly ready = new Promise<void>((settle) => (this.#settle = settle));

  /** Calls a function with every event of a name, and returns how to stop. */
  on<N extends EventName>(name: N, handler: (data: EventData[N], id: string) => void): () => void {
    const found = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, found.add(handler as Handler));
    return () => found.delete(handler as Handler);
  }

  /** Calls a function when events were lost: it loads anew what it shows. Returns how to stop. */
  onReset(handler: () => void): () => void {
    this.#resets.add(handler);
    return () => this.#resets.delete(handler);
  }

  /** Calls a function with every change of the connection, and returns how to stop. */
  onLink(handler: (told: LinkTold) => void): () => void {
    this.#links.add(handler);
    return () => this.#links.delete(handler);
  }

  /** Connects, once. */
  start(): void {
    if (this.#link) return;
    setTimeout(() => this.#waited(), SOON);
    this.#link = connect(ROOT, (told) => this.take(told));
    const asked = new WeakMap<Request, number>();
    api.use({
      onRequest: ({ request }) => void asked.set(request, Date.now()),
      onResponse: ({ request, response }) => {
        const at = asked.get(request);
        if (at !== undefined) clock.answered(Date.parse(response.headers.get('date') ?? ''), at);
      },
    });
    onRefused((error) => {
      if (error.status === 401) this.#link?.say({ kind: 'unauthorized' });
    });
  }

  /** Tries to connect now instead of later. */
  retry(): void {
    this.#link?.say({ kind: 'retry' });
  }

  /** Takes what the connection tells. */
  take(told: Told): void {
    if (told.kind === 'link') {
      if (told.state === 'connected') this.#opened();
      for (const handler of this.#links) handler(told);
      return;
    }
    for (const [name, data, id] of told.events) {
      if (name === RESET) this.#reset();
      else this.#tell(name, data, id);
    }
  }

  #opened(): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#settle();
    if (this.#late) this.#reset();
  }

  #waited(): void {
    if (this.#connected) return;
    this.#late = true;
    this.#settle();
  }

  #reset(): void {
    for (const handler of [...this.#resets]) guarded(handler);
  }

  #tell(name: string, text: string, id: string): void {
    const handlers = this.#handlers.get(name);
    if (!handlers?.size) return;
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch (error) {
      reportError(error); // what comes behind it is still heard
      return;
    }
    if (typeof data === 'object' && data !== null && 'ts' in data && typeof data.ts === 'number')
      clock.seen(data.ts * 1000);
    for (const handler of [...handlers]) guarded(() => handler(data as never, id));
  }
}

/** Runs a handler; one that fails is told as an error of the page, and keeps no other from hearing. */
function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    reportError(error);
  }
}

export const live = new Live();
