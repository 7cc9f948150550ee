/** What a run's timeline tells: its steps with their times, its figures, and one step in full. */
import type { AgentItem, SpanItem, TimelineSpan, TraceSummary } from './api';

export type { SpanTry, Timeline, TimelineSpan, TraceSummary } from './api';

export type Span = TimelineSpan;
export type SpanStatus = TimelineSpan['status'];
/** What a step is: `agent`, `model`, `tool`, `workflow`, `call`, …; a library's own steps have their own words. */
export type SpanKind = string;

/** The data of a `span_update` event: the steps that changed, each told whole. */
export interface SpanUpdate {
  run_id: string;
  workflow_id: string | null;
  name: string;
  status: string;
  started_at: number;
  seq: number;
  /** Milliseconds since the run began. */
  now: number;
  spans: TimelineSpan[];
  summary: TraceSummary;
  over: boolean;
}

export interface SpanLink {
  path: string;
  ref: string;
  reason: string;
}

export interface SpanAttempt {
  number: number;
  start_ms: number;
  end_ms: number | null;
  status: SpanStatus;
  error: string | null;
}

export interface SpanMessage {
  path: string;
  /** Seconds since the run began. */
  at: number;
  text: string;
  level: string;
}

/** One step with everything that is known of it; input and output are cut where they are long. */
export interface SpanDetails {
  span: SpanItem;
  input: unknown;
  output: unknown;
  agent: AgentItem | null;
  depends_on: SpanLink[];
  needed_by: SpanLink[];
  tries: SpanAttempt[];
  messages: SpanMessage[];
  events: number;
}
