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

/** A tool that a stream told of; `id` is the call's id, or the path where a call has none. */
export interface ActiveTool {
  id: string;
  name: string;
  status: 'running' | 'completed' | 'error' | 'cancelled';
  path: string;
  run_id: string;
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
  number: number;
  started: number;
  duration: number | null;
}

/** A sub-agent that a stream told of. */
export interface ActiveSubAgent {
  id: string;
  name: string;
  parent: string;
  path: string;
  status: 'running' | 'completed' | 'error' | 'cancelled';
  /** 0 to 100; null when it tells none. */
  progress: number | null;
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
  updated: number;
}
