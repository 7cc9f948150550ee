/** Says in a sentence what a line of a log tells. */
import { count, duration, number } from '$lib/format';
import { logWords } from '$lib/i18n/logs';
import { wordOf } from '$lib/ui/Status.svelte';
import type { EventItem } from '$types/api';
import { brief } from './lines';

type Data = EventItem['data'];
const text = (value: unknown) => (typeof value === 'string' ? value : '');
const figure = (value: unknown) => (typeof value === 'number' ? value : 0);
const size = (value: unknown) => (Array.isArray(value) ? value.length : 0);

function error(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  const { type, message } = value as Record<string, unknown>;
  return brief([text(type), text(message)].filter(Boolean).join(': '));
}

/** Returns what a line tells, in the language in force. */
export function sentence({ kind, data }: Pick<EventItem, 'kind' | 'data'>): string {
  const say = SAYINGS[kind];
  return say ? say(data, logWords()) : brief(data);
}

type Words = ReturnType<typeof logWords>;
const SAYINGS: Partial<Record<string, (data: Data, t: Words) => string>> = {
  run_started: (data, t) => t.runStarted(text(data['name'])),
  run_resumed: (data, t) => t.runResumed(figure(data['completed'])),
  run_ended: (data, t) =>
    [t.runEnded(wordOf(text(data['status']))), error(data['error'])].filter(Boolean).join(' – '),
  step_started: (data, t) => {
    const queued = figure(data['queued']);
    const began = t.stepStarted(text(data['step']));
    return queued >= 0.001 ? `${began}, ${t.queued(duration(queued * 1000))}` : began;
  },
  step_completed: (data, t) => {
    const source = text(data['source']);
    return source && source !== 'run' ? `${t.stepCompleted}, ${t.source(source)}` : t.stepCompleted;
  },
  step_failed: (data, t) => t.stepFailed(error(data['error'])),
  step_timed_out: (data, t) => t.stepTimedOut(duration(figure(data['seconds']) * 1000)),
  step_cancelled: (data, t) => t.stepCancelled(brief(data['reason'])),
  step_skipped: (data, t) => t.stepSkipped(brief(data['because'])),
  step_retrying: (data, t) =>
    t.stepRetrying(figure(data['attempt']), duration(figure(data['wait']) * 1000), error(data['error'])),
  step_abandoned: (data, t) => t.stepAbandoned(duration(figure(data['waited']) * 1000)),
  step_undone: (data, t) => (data['error'] ? t.stepNotUndone(error(data['error'])) : t.stepUndone),
  asked: (data, t) => t.asked(brief(data['question'])),
  answered: (data, t) => t.answered(brief(data['choice']), brief(data['by'])),
  progress: (data, t) =>
    t.progress(
      number(figure(data['done'])),
      typeof data['total'] === 'number' ? number(data['total']) : '',
      brief(data['text']),
    ),
  said: (data) => brief(data['text']),
  model_used: (data, t) =>
    t.modelUsed(
      text(data['model']),
      count(figure(data['input_tokens'])),
      count(figure(data['output_tokens'])),
    ),
  model_delta: (data, t) => `${t.wrote(text(data['tool']) || text(data['part']))}: ${brief(data['text'])}`,
  agent_started: (data, t) =>
    t.agentStarted(text(data['name']) || text(data['agent_id']), text(data['model'])),
  history_shortened: (data, t) => t.shortened(figure(data['dropped']), text(data['how'])),
  plan_made: (data, t) => {
    const plan = (typeof data['plan'] === 'object' && data['plan'] ? data['plan'] : {}) as Data;
    return t.planMade(size(plan['operations']), size(plan['batches']));
  },
  task_changed: (data, t) => t.taskChanged(brief(data['name']), text(data['change']), text(data['status'])),
};
