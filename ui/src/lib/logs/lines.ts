/** The lines of a run's log: how grave each is, which belong together, and whether one is looked for. */
import { shownName } from '$lib/names';
import type { EventItem } from '$types/api';

export type Level = 'debug' | 'info' | 'warning' | 'error';
export const LEVELS: readonly Level[] = ['debug', 'info', 'warning', 'error'];

export type Kind =
  | 'run_started'
  | 'run_resumed'
  | 'run_ended'
  | 'step_started'
  | 'step_completed'
  | 'step_failed'
  | 'step_timed_out'
  | 'step_cancelled'
  | 'step_skipped'
  | 'step_retrying'
  | 'step_abandoned'
  | 'step_undone'
  | 'asked'
  | 'answered'
  | 'progress'
  | 'said'
  | 'model_delta'
  | 'model_used'
  | 'agent_started'
  | 'history_shortened'
  | 'plan_made'
  | 'task_changed';

export type Group = 'run' | 'steps' | 'said' | 'models' | 'people' | 'plans';
export const GROUPS: Record<Group, readonly Kind[]> = {
  run: ['run_started', 'run_resumed', 'run_ended'],
  steps: [
    'step_started',
    'step_completed',
    'step_failed',
    'step_timed_out',
    'step_cancelled',
    'step_skipped',
    'step_retrying',
    'step_abandoned',
    'step_undone',
  ],
  said: ['said', 'progress'],
  models: ['agent_started', 'model_used', 'model_delta', 'history_shortened'],
  people: ['asked', 'answered'],
  plans: ['plan_made', 'task_changed'],
};
export const ALL = Object.keys(GROUPS) as Group[];

/** The level of what does not say one itself; a piece of a model's answer is noise to most who read a log. */
const GRAVITY: Partial<Record<string, Level>> = {
  model_delta: 'debug',
  progress: 'debug',
  step_failed: 'error',
  step_timed_out: 'error',
  step_abandoned: 'error',
  step_retrying: 'warning',
  step_cancelled: 'warning',
  history_shortened: 'warning',
};

/** Returns how grave a line is. */
export function levelOf(line: Pick<EventItem, 'kind' | 'data'>): Level {
  if (line.kind === 'said') {
    const told = String(line.data['level']);
    return LEVELS.find((level) => level === told) ?? 'info';
  }
  if (line.kind === 'run_ended') {
    const status = line.data['status'];
    return status === 'completed' ? 'info' : status === 'cancelled' ? 'warning' : 'error';
  }
  return GRAVITY[line.kind] ?? 'info';
}

/** Says whether a level is at least as grave as another. */
export function reaches(level: Level, least: Level): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(least);
}

/** Returns the kinds to ask for: of the groups, those that can be as grave; null for all kinds. */
export function kindsFor(groups: ReadonlySet<Group>, least: Level): Kind[] | null {
  const many = (kind: Kind) => kind === 'said' || kind === 'run_ended';
  const found = ALL.filter((group) => groups.has(group))
    .flatMap((group) => GROUPS[group])
    .filter((kind) => many(kind) || reaches(GRAVITY[kind] ?? 'info', least));
  return found.length === ALL.reduce((sum, group) => sum + GROUPS[group].length, 0) ? null : found;
}

/** Reads groups from the address: `steps,said`; without any, all. */
export function groupsOf(text: string | undefined): Set<Group> {
  const told = new Set(text?.split(','));
  const found = ALL.filter((group) => told.has(group));
  return new Set(found.length > 0 ? found : ALL);
}

/** Reads a level from the address. */
export function leastOf(text: string | undefined): Level {
  return LEVELS.find((level) => level === text) ?? 'info';
}

export interface Wanted {
  least: Level;
  /** Looked for in the path and in the words of a line; capitals do not count. */
  text: string;
  /** Only this step and what is below it; empty for all. */
  under: string;
}

const texts = new WeakMap<object, string>();

/** Says whether a line is wanted. */
export function isWanted(line: EventItem, { least, text, under }: Wanted): boolean {
  if (!reaches(levelOf(line), least)) return false;
  if (under && line.path !== under && !line.path.startsWith(`${under}/`)) return false;
  if (!text) return true;
  let whole = texts.get(line);
  if (whole === undefined) {
    whole = `${line.kind} ${line.path} ${JSON.stringify(line.data)}`.toLowerCase();
    texts.set(line, whole);
  }
  return whole.includes(text.toLowerCase());
}

/** Returns the place of the next line at least as grave as a warning, from one on and around; -1 when none is. */
export function nextGrave(lines: readonly EventItem[], from: number, way: 1 | -1): number {
  for (let step = 1; step <= lines.length; step++) {
    const place = (from + way * step + lines.length * 2) % lines.length;
    const line = lines[place];
    if (line && levelOf(line) === 'error') return place;
  }
  return -1;
}

/** Returns a text in one line, cut. */
export function brief(value: unknown, most = 240): string {
  const text =
    typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);
  const line = text
    .slice(0, most * 2)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > most ? `${line.slice(0, most)}…` : line;
}

/** Returns the end of a path, which is what tells steps apart: its last three names. */
export function tail(path: string): string {
  const names = path.split('/').map(shownName);
  return names.length > 3 ? `…/${names.slice(-3).join('/')}` : names.join('/');
}
