/** What the activity feed shows, under the names that the seed gives. */

export type ActivityType =
  | 'tool_start'
  | 'tool_complete'
  | 'tool_error'
  | 'reasoning'
  | 'sub_agent_start'
  | 'sub_agent_progress'
  | 'sub_agent_complete'
  | 'sub_agent_error'
  | 'validation'
  | 'message'
  | 'task_create'
  | 'task_update'
  | 'task_complete';

export type ActivityStatus = 'pending' | 'running' | 'completed' | 'error';
export type ActivityFilter = 'all' | 'tools' | 'agents' | 'reasoning' | 'todos';

/** One event of the feed: a tool's start and end are one event whose status changes. */
export interface WorkflowActivityEvent {
  id: string;
  /** Unix milliseconds, by the server's clock. */
  timestamp: number;
  type: ActivityType;
  title: string;
  description: string;
  status: ActivityStatus;
  /** Milliseconds; null while it runs. */
  duration: number | null;
  metadata: {
    path?: string;
    run_id?: string;
    call_id?: string;
    agent?: string;
    attempt?: number;
    [key: string]: unknown;
  };
}
