/** The recorded logs that the server's tests and the page's share: what was told of real runs, and what it comes to. */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { WorkflowFullState } from '$types/workflow';

export interface RecordedLog {
  name: string;
  chunks: { event: string; data: Record<string, unknown> & { workflow_id: string } }[];
  state: WorkflowFullState | null;
}

const FOLDER = resolve(import.meta.dirname, '../../../../../tests/recorded_logs');

/** Reads all recorded logs of workflows. */
export function recordedLogs(): (RecordedLog & { state: WorkflowFullState })[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(resolve(FOLDER, file), 'utf-8')) as RecordedLog)
    .filter((log): log is RecordedLog & { state: WorkflowFullState } => log.chunks.length > 0 && !!log.state);
}
