/** Runs a run again, or lets it go on: what the server is asked for each. */
import { api, call } from '$lib/api';
import type { JsonValue, Repeated } from '$types/api';

export type Repetition =
  | { mode: 'all'; message?: string; input?: unknown }
  | { mode: 'failed'; on_change?: 'accept' | 'refuse' }
  | { mode: 'step'; path: string; on_change?: 'accept' | 'refuse' };

/** Starts a repetition, or queues it; throws `ApiError`, with the code `code_changed` where what is kept is by other code. */
export async function again(runId: string, what: Repetition): Promise<Repeated> {
  const params = { path: { run_id: runId } };
  const body =
    what.mode === 'all'
      ? {
          mode: what.mode,
          message: what.message,
          ...('input' in what ? { input: what.input as JsonValue } : {}),
        }
      : { ...what, on_change: what.on_change ?? ('refuse' as const) };
  return call(api.POST('/api/runs/{run_id}/rerun', { params, body }));
}

/** Lets a run go on where it stopped. */
export async function resume(runId: string): Promise<void> {
  const params = { path: { run_id: runId } };
  await call(api.POST('/api/runs/{run_id}/resume', { params, body: { on_change: 'refuse' } }));
}
