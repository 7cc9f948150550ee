/** What can be done with a run from outside of it: stopped, removed, saved, started. */
import { saveAs } from '$lib/activities/download';
import { api, call, ROOT } from '$lib/api';
import type { JsonValue, LibraryItem, RunDetail, RunItem } from '$types/api';

/** Asks whoever carries a run out to stop it. */
export async function cancel(id: string): Promise<void> {
  await call(api.POST('/api/runs/{run_id}/cancel', { params: { path: { run_id: id } } }));
}

/** Removes a run with its log. */
export async function remove(id: string): Promise<void> {
  await call(api.DELETE('/api/runs/{run_id}', { params: { path: { run_id: id } } }));
}

/** Returns the address from which a run is saved as one file. */
function exportOf(id: string): string {
  return `${ROOT}/api/runs/${encodeURIComponent(id)}/export`;
}

/** Saves a run as a file; whoever refuses it does not take the page's place. */
export function exportRun(id: string): void {
  saveAs(exportOf(id), `run-${id.slice(0, 8)}.json`);
}

/** Loads one run with what went in and came out. */
export function load(id: string): Promise<RunDetail> {
  return call(api.GET('/api/runs/{run_id}', { params: { path: { run_id: id } } }));
}

/** Loads what the server can run by name. */
export function library(): Promise<LibraryItem[]> {
  return call(api.GET('/api/library'));
}

/** Starts a workflow of the library. */
export function start(workflow: string, input: unknown, labels: Record<string, string>): Promise<RunItem> {
  return call(api.POST('/api/runs', { body: { workflow, input: input as JsonValue, labels } }));
}

/** Loads the runs that repeat a run, newest first. */
export async function repetitionsOf(id: string): Promise<RunItem[]> {
  const page = await call(api.GET('/api/runs', { params: { query: { text: id, limit: 50 } } }));
  return page.items.filter((each) => each.rerun_of === id);
}

/** Loads the last runs of a name, newest first. */
export async function namesakesOf(run: Pick<RunItem, 'id' | 'name'>, most: number): Promise<RunItem[]> {
  const page = await call(api.GET('/api/runs', { params: { query: { name: run.name, limit: most + 1 } } }));
  return page.items.filter((each) => each.id !== run.id).slice(0, most);
}

/** Says why a run cannot be removed by itself; null when it can. */
export function keptBecause(run: Pick<RunItem, 'status' | 'workflow_id'>): 'runs' | 'workflow' | null {
  if (run.workflow_id !== null) return 'workflow';
  return run.status === 'running' || run.status === 'queued' ? 'runs' : null;
}

/** Says whether a run can go on where it stopped. */
export function goesOn(run: Pick<RunItem, 'status' | 'workflow_id'>): boolean {
  return (
    run.status === 'interrupted' ||
    (run.workflow_id === null && ['failed', 'cancelled', 'timed_out'].includes(run.status))
  );
}

/** Returns the labels that people gave a run: those of the server itself are left out. */
export function ownLabels(labels: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(labels).filter(([name]) => !name.startsWith('stretto.'));
}

/** Reads labels as somebody writes them, one `name=value` in a line; throws with the line that is none. */
export function labelsFrom(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '') continue;
    const at = line.indexOf('=');
    if (at < 1) throw new SyntaxError(line);
    found[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return found;
}
