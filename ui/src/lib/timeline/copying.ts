/** What of a step is put on the clipboard: the step as JSON, and the address under which it is found again. */
import { router } from '$lib/router.svelte';
import type { Trace } from '$lib/stores/trace.svelte';
import type { SpanDetails, TimelineSpan } from '$types/trace';

/** Returns a step as JSON text: its times and figures, and with its details what went in and came out. */
export function copyable(span: TimelineSpan | undefined, details: SpanDetails | null): string {
  if (!details) return JSON.stringify(span ?? null, null, 2);
  const { input, output, depends_on, needed_by, tries, messages } = details;
  return JSON.stringify({ ...span, input, output, depends_on, needed_by, tries, messages }, null, 2);
}

/** Returns the address of this run's view with a step selected; it stays the same when the workflow runs again. */
export function permalink(trace: Pick<Trace, 'runId' | 'workflowId'>, path: string, origin: string): string {
  const query = { ...router.query, tab: router.query.tab ?? 'timeline', span: path };
  return (
    origin +
    (trace.workflowId
      ? router.href(`workflows/${trace.workflowId}`, { ...query, run: trace.runId })
      : router.href(`runs/${encodeURIComponent(trace.runId)}`, query))
  );
}
