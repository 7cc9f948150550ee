/** What was planned: operations in batches, which waits for which and why, and how long it was to take. */
export type { PlanBatch, PlanEdge, PlanEstimate, PlanItem, PlanOperation } from './api';
