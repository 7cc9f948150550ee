/** What was planned: operations in batches, and which waits for which. */
export type { PlanItem } from './api';

export interface DataRef {
  name: string;
  producer?: string | null;
}
