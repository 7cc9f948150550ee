/** What was planned: operations in batches, which waits for which and why, and how long it was to take. */
export type {
  PlanBatch,
  PlanBatch as Batch,
  PlanEdge,
  PlanEdge as DataRef,
  PlanEstimate,
  PlanItem,
  PlanItem as ExecutionPlan,
  PlanOperation,
  PlanOperation as Operation,
} from './api';
