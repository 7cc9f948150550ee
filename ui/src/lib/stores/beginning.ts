/** Sets everything going that listens for as long as the page is open, whichever screen is shown. */
import { api, call } from '$lib/api';
import { elsewhere } from '$lib/i18n/elsewhere';
import { live, type RunUpdate, type WorkflowUpdate } from '$lib/live/live';
import { router } from '$lib/router.svelte';
import type { WorkflowComplete } from '$types/streaming';
import { get } from 'svelte/store';
import { activityStore } from './activity';
import { agentsStore } from './agents';
import { backgroundWorkflowsStore } from './background';
import { messagesStore, runningExecution } from './messages';
import { FIRST_ROWS, loadState } from './states';
import { streamingStore } from './streaming';
import { toastStore } from './toasts.svelte';
import { validationStore } from './validation';
import { noticeWaiting } from './waiting';
import { selectedWorkflowId, workflowStore } from './workflows';

/** How much of the reason a notice tells (characters). */
const LONGEST = 200;
const OVER = new Set(['completed', 'failed', 'cancelled', 'timed_out', 'interrupted']);

let begun = false;

/** Connects to the server, loads the lists, and follows the workflow that is selected; once. */
export function begin(): void {
  if (begun) return;
  begun = true;
  live.start();
  workflowStore.start();
  backgroundWorkflowsStore.start();
  messagesStore.start();
  validationStore.start();
  noticeWaiting();
  void workflowStore.loadWorkflows();
  void agentsStore.load();
  selectedWorkflowId.subscribe((id) => void open(id));
  runningExecution.subscribe((execution) => {
    if (execution) void backgroundWorkflowsStore.restore(execution.workflow_id, execution).catch(() => {});
  });
  backgroundWorkflowsStore.onEnd((told) => void over(told));
  live.on('workflow_update', (told) => tasks(told));
  live.on('run_update', (told) => void runOver(told));
  live.onReset(() => void open(get(selectedWorkflowId)));
}

/** Follows a workflow: what was said, what happened, and what it is doing. */
async function open(workflowId: string | null): Promise<void> {
  const shown = streamingStore.attach(workflowId);
  const loaded = messagesStore.load(workflowId);
  if (workflowId === null) activityStore.reset();
  else await Promise.allSettled([shown, loaded, activityStore.loadHistorical(workflowId)]);
}

/** Takes the end of an execution: the rows that tell it are there, or a notice where nobody looks at it. */
async function over(told: WorkflowComplete): Promise<void> {
  const id = told.workflow_id;
  if (!isSeen(id)) notice(told);
  if (id !== get(selectedWorkflowId)) return;
  const state = await loadState(id, FIRST_ROWS).catch(() => null);
  if (!state || id !== get(selectedWorkflowId)) return;
  workflowStore.upsert(state.workflow);
  activityStore.captureStreamingActivities();
  activityStore.ended(state);
  messagesStore.ended(told.run_id, state);
  // now the rows tell what the stream told
  if (backgroundWorkflowsStore.fold(id).runId === told.run_id) backgroundWorkflowsStore.forget(id);
  streamingStore.flushSync();
}

/** Takes that somebody changed a task by hand: the feed shows it as its row tells. */
function tasks(told: WorkflowUpdate): void {
  const id = told.workflow_id;
  if (!told.task_id || id !== get(selectedWorkflowId)) return;
  void loadState(id, FIRST_ROWS).then(
    (state) => {
      if (id === get(selectedWorkflowId)) activityStore.ended(state);
    },
    () => {}, // what is shown stays as it was
  );
}

/** Says whether a workflow is on the screen. */
function isSeen(workflowId: string): boolean {
  return router.name === 'workflow' && get(selectedWorkflowId) === workflowId;
}

function nameOf(workflowId: string): string {
  return get(workflowStore).known.get(workflowId)?.name ?? elsewhere().unnamed;
}

function notice(told: WorkflowComplete): void {
  const t = elsewhere();
  const name = nameOf(told.workflow_id);
  const why = (told.error ?? '').slice(0, LONGEST);
  const more = { href: router.href(`workflows/${told.workflow_id}`, { run: told.run_id }) };
  if (told.status === 'completed') toastStore.success(t.completed(name), more);
  else if (told.status === 'cancelled') toastStore.info(t.cancelled(name), more);
  // an execution that could not go on is announced without a number: it waits to be resumed
  else if (told.seq === undefined) toastStore.error(t.interrupted(name, why), more);
  else toastStore.error(t.failed(name, why), more);
}

/** Takes the end of a run that is of no workflow: a notice leads to it, unless somebody looks at runs. */
async function runOver({ run_id: id, status }: RunUpdate): Promise<void> {
  if (!OVER.has(status) || isRunSeen(id)) return;
  const found = await call(api.GET('/api/runs/{run_id}', { params: { path: { run_id: id } } })).catch(
    () => null,
  );
  if (isRunSeen(id)) return;
  const t = elsewhere();
  const name = found?.name ?? id.slice(0, 8);
  const why = (found?.error ?? '').slice(0, LONGEST);
  const more = { href: router.href(`runs/${id}`) };
  if (status === 'completed') toastStore.success(t.completed(name), more);
  else if (status === 'cancelled') toastStore.info(t.cancelled(name), more);
  else if (status === 'interrupted') toastStore.error(t.interrupted(name, why), more);
  else toastStore.error(t.failed(name, why), more);
}

/** Says whether a run, or the list of all runs, is on the screen. */
function isRunSeen(runId: string): boolean {
  return router.name === 'runs' || (router.name === 'run' && router.params.id === runId);
}
