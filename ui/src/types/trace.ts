/** A run's steps in time: generated from the server's description; times are milliseconds from the run's start. */
import type { Timeline, TimelineSpan } from './api';

export type { SpanDetails, SpanTry, Timeline, TimelineSpan, TraceSummary } from './api';

export type Span = TimelineSpan;
export type SpanStatus = TimelineSpan['status'];
/** What a step is: `agent`, `model`, `tool`, `workflow`, `call`, …; a library's own steps have their own words. */
export type SpanKind = string;

/** The data of a `span_update` event: the steps that changed, each told whole; after `over` nothing more comes. */
export interface SpanUpdate extends Omit<Timeline, 'total'> {
  over: boolean;
}
