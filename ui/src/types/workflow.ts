/** The workflow and what is known of it, under the names that the seed gives; generated from the server's description. */
import type {
  Execution,
  Message,
  SubAgentExecution,
  ThinkingStep,
  ToolExecution,
  Workflow,
  WorkflowFullState,
  WorkflowMetrics,
  WorkflowResult,
  WorkflowStatus,
  WorkflowTask,
} from './api';

export type {
  Execution,
  Message,
  SubAgentExecution,
  ThinkingStep,
  ToolExecution,
  Workflow,
  WorkflowFullState,
  WorkflowMetrics,
  WorkflowResult,
  WorkflowStatus,
  WorkflowTask,
};

/** What the token display shows; costs are US dollars and null while a price is unknown. */
export interface TokenDisplayData {
  tokens_input: number;
  tokens_output: number;
  cumulative_input: number;
  cumulative_output: number;
  context_max: number | null;
  cost_usd: number | null;
  cumulative_cost_usd: number | null;
  speed_tks: number | null;
  is_streaming: boolean;
}

/** What `WorkflowService.restoreState` found: the state, and the execution that is going on or waits. */
export interface RestorationResult {
  state: WorkflowFullState;
  running: Execution | null;
  queued: Execution[];
  interrupted: Execution | null;
}
