/** What a stream carries, under the names that the seed gives; generated from the server's description. */
import type {
  ChunkType,
  StreamChunk,
  SubAgentStreamMetrics,
  ValidationRequired,
  ValidationResponse,
  WorkflowComplete,
} from './api';

export type {
  ChunkType,
  StreamChunk,
  SubAgentStreamMetrics,
  ValidationRequired,
  ValidationResponse,
  WorkflowComplete,
};

/** A call of a tool that a stream told of; `id` is that of its row: the run and the path, unique for ever. */
export interface ActiveTool {
  id: string;
  name: string;
  status: 'running' | 'completed' | 'error' | 'cancelled';
  path: string;
  run_id: string;
  /** The path of the agent that made the call, and its name where it is a sub-agent. */
  parent: string;
  agent: string | null;
  /** As the model named the call; models may name two alike. */
  call_id: string | null;
  /** Unix milliseconds, as the server tells. */
  started: number;
  /** Milliseconds; null while it runs. */
  duration: number | null;
  attempt: number;
  error: string | null;
}

/** A part of the model's reasoning. */
export interface ReasoningStep {
  id: string;
  content: string;
  path: string;
  run_id: string;
  /** The name of the sub-agent that thinks; null of the workflow's own agent. */
  agent: string | null;
  number: number;
  started: number;
  duration: number | null;
}

/** A sub-agent that a stream told of. */
export interface ActiveSubAgent {
  /** That of its row: the run and the path. */
  id: string;
  agent_id: string;
  name: string;
  /** The id of the agent that handed the task on. */
  parent: string;
  path: string;
  run_id: string;
  task: string;
  status: 'running' | 'completed' | 'error' | 'cancelled';
  /** 0 to 100; null when it tells none. */
  progress: number | null;
  /** What it does, or what it answered. */
  message: string;
  started: number;
  duration: number | null;
  metrics: SubAgentStreamMetrics | null;
  error: string | null;
}

/** A task of the agent's list. */
export interface ActiveTask {
  id: string;
  name: string;
  status: 'pending' | 'in_progress' | 'completed' | 'blocked';
  priority: number;
  run_id: string;
  /** When it was first told of, and last (Unix milliseconds). */
  created: number;
  updated: number;
}
