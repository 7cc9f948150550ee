/** A run's steps in time: generated from the server's description; times are milliseconds from the run's start. */
export type { SpanDetails, Timeline, TimelineSpan, TraceSummary } from './api';
