/** What is passed from the one connection to every tab: events in their order, and how the connection stands. */

/** How the connection stands: `unauthorized` waits for somebody to sign in, `reconnecting` tries again by itself. */
export type LinkState = 'connecting' | 'connected' | 'reconnecting' | 'unauthorized';

/** An event as it was sent: its name, its data as JSON text, and its id. */
export type RawEvent = readonly [name: string, data: string, id: string];

export interface LinkTold {
  kind: 'link';
  state: LinkState;
  /** How many tabs share the connection. */
  tabs: number;
  /** When it is tried again (Unix milliseconds of this machine); null unless it waits for that. */
  retryAt: number | null;
}

/** Events; what was missed before a `stream_reset` among them cannot be told any more. */
export interface EventsTold {
  kind: 'events';
  events: RawEvent[];
}

/** What a tab is told. */
export type Told = LinkTold | EventsTold;

/** What a tab says: that it is there (a lock of that name ends with it), has taken so many events, wants a try, leaves. */
export type Said =
  | { kind: 'hello'; root: string; lock: string | null }
  | { kind: 'taken'; size: number }
  | { kind: 'retry' }
  | { kind: 'unauthorized' }
  | { kind: 'bye' };

/** The events that a server tells, beside `stream_reset`. */
export const EVENT_NAMES = [
  'workflow_stream',
  'workflow_complete',
  'workflow_update',
  'validation_required',
  'validation_response',
  'sub_agent_start',
  'sub_agent_progress',
  'sub_agent_complete',
  'sub_agent_error',
  'run_update',
  'span_update',
] as const;

export const RESET = 'stream_reset';
