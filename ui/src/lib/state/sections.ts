/** The state of a workflow as parts with rows: what each is called, when it came, and whether it holds what is looked for. */
import { millis } from '$lib/format';
import { wholeName } from '$lib/names';
import type { WorkflowFullState } from '$types/api';
import type { TimelineSpan } from '$types/trace';

export const PARTS = [
  'messages',
  'tool_executions',
  'thinking_steps',
  'sub_agent_executions',
  'tasks',
  'validations',
  'questions',
  'executions',
] as const;
export type Part = (typeof PARTS)[number];
export type SectionId = 'run' | 'workflow' | 'steps' | Part;

export interface Row {
  key: string;
  label: string;
  /** A second, quieter text. */
  note: string;
  status: string | null;
  /** Unix milliseconds; null when nobody said. */
  at: number | null;
  /** How long it took (milliseconds). */
  took: number | null;
  /** The step that all views select with it. */
  path: string | null;
  runId: string | null;
  value: unknown;
  /** Whether its values have to be asked for: then `path` says where they are. */
  lazy: boolean;
}

export interface Section {
  id: SectionId;
  rows: readonly Row[];
  /** How many there are in all, which may be more than were loaded. */
  total: number;
}

type Any = Readonly<Record<string, unknown>>;
const text = (value: unknown) => (typeof value === 'string' ? value : '');
const figure = (value: unknown) => (typeof value === 'number' ? value : null);

function brief(value: unknown, most = 200): string {
  const whole =
    typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);
  return whole.slice(0, most).replace(/\s+/g, ' ').trim();
}

function when(value: unknown): number | null {
  const at = typeof value === 'string' || typeof value === 'number' ? millis(value) : NaN;
  return Number.isFinite(at) ? at : null;
}

type Told = Pick<Row, 'label' | 'note' | 'status'> & { at: unknown; took?: unknown; path?: unknown };
const ROWS: Record<Part, (row: Any) => Told> = {
  messages: (row) => ({
    label: text(row['role']),
    note: brief(row['content']),
    status: null,
    at: row['timestamp'],
    took: row['duration_ms'],
  }),
  tool_executions: (row) => ({
    label: [row['server_name'], row['tool_name']].filter(Boolean).map(String).join('.'),
    note: brief(row['input_params']),
    status:
      row['success'] === false
        ? 'failed'
        : row['success'] === true
          ? 'completed'
          : text(row['status']) || null,
    at: row['created_at'] ?? row['timestamp'],
    took: row['duration_ms'],
    path: row['path'],
  }),
  thinking_steps: (row) => ({
    label: brief(row['content'], 90),
    note: '',
    status: null,
    at: row['created_at'] ?? row['timestamp'],
    took: row['duration_ms'],
    path: row['path'],
  }),
  sub_agent_executions: (row) => ({
    label: text(row['sub_agent_name']) || text(row['sub_agent_id']),
    note: brief(row['task_description']),
    status: text(row['status']),
    at: row['created_at'] ?? row['started_at'],
    took: row['duration_ms'],
    path: row['path'],
  }),
  tasks: (row) => ({
    label: text(row['name']),
    note: brief(row['description']),
    status:
      (({ in_progress: 'running', blocked: 'waiting' } as Any)[text(row['status'])] as string) ??
      text(row['status']),
    at: row['created_at'],
    took: row['duration_ms'],
  }),
  validations: (row) => ({
    label: text(row['operation']) || text(row['tool_name']) || text(row['type']),
    note: brief(row['details'] ?? row['arguments']),
    status:
      (({ approved: 'completed', rejected: 'failed', pending: 'waiting' } as Any)[
        text(row['status'])
      ] as string) ?? null,
    at: row['created_at'],
    path: row['path'],
  }),
  questions: (row) => ({
    label: brief(row['question'], 120),
    note: brief(row['answer'] ?? row['response']),
    status:
      (({ answered: 'completed', skipped: 'skipped', pending: 'waiting' } as Any)[
        text(row['status'])
      ] as string) ?? null,
    at: row['created_at'],
    path: row['path'],
  }),
  executions: (row) => ({
    label: `${figure(row['ordinal']) ?? ''} ${brief(row['message'], 120)}`.trim(),
    note: brief(row['error']),
    status: text(row['status']),
    at: row['created_at'],
  }),
};

/** Returns the parts of a workflow's state. */
export function partsOf(state: WorkflowFullState): Section[] {
  const totals: Readonly<Record<string, number>> = state.totals ?? {};
  return PARTS.map((id) => {
    const found = state[id] as unknown as readonly Any[];
    const rows = found.map((row, place): Row => {
      const told = ROWS[id](row);
      return {
        key: text(row['id']) || text(row['run_id']) || String(place),
        label: told.label || '–',
        note: told.note,
        status: told.status || null,
        at: when(told.at),
        took: figure(told.took),
        path: text(told.path) || null,
        runId: text(row['run_id']) || null,
        value: row,
        lazy: false,
      };
    });
    return { id, rows, total: Math.max(totals[id] ?? 0, rows.length) };
  });
}

/** Returns the outputs of a run's steps; what they are is asked for when somebody opens one. */
export function stepsOf(spans: readonly TimelineSpan[], startedAt: number): Section {
  const rows = spans.map((span): Row => ({
    key: span.path,
    label: wholeName(span.name),
    note: span.error ?? span.path,
    status: span.status,
    at: span.start_ms === null ? null : startedAt * 1000 + span.start_ms,
    took: span.start_ms === null || span.end_ms === null ? null : span.end_ms - span.start_ms,
    path: span.path,
    runId: null,
    value: span,
    lazy: true,
  }));
  return { id: 'steps', rows, total: rows.length };
}

export interface Sought {
  text: string;
  /** Only rows of this run, and those that belong to none. */
  runId: string | null;
  /** Unix milliseconds: only what came after, and until then. */
  since: number | null;
  until: number | null;
}

const texts = new WeakMap<object, string>();

/** Says whether a row is sought. */
export function isSought(row: Row, { text: needle, runId, since, until }: Sought): boolean {
  if (runId !== null && row.runId !== null && row.runId !== runId) return false;
  if (since !== null && (row.at === null || row.at <= since)) return false;
  if (until !== null && row.at !== null && row.at > until) return false;
  if (!needle) return true;
  let whole = texts.get(row);
  if (whole === undefined) {
    whole = `${row.label} ${row.note} ${JSON.stringify(row.value)}`.toLowerCase();
    texts.set(row, whole);
  }
  return whole.includes(needle.toLowerCase());
}

export interface Moment {
  /** Unix milliseconds. */
  at: number;
  name: string;
  /** Milliseconds since the run began. */
  ms: number;
}

/** Returns the moments between which a state may be compared: the ends of the outer steps, at most so many. */
export function momentsOf(spans: readonly TimelineSpan[], startedAt: number, most = 40): Moment[] {
  const roots = spans.filter((span) => span.parent === '');
  const only = roots.length === 1 ? roots[0] : undefined;
  const outer = only ? spans.filter((span) => span.parent === only.path) : roots;
  return (outer.length > 0 ? outer : roots)
    .flatMap((span) =>
      span.end_ms === null
        ? []
        : [{ at: startedAt * 1000 + span.end_ms, name: wholeName(span.name), ms: span.end_ms }],
    )
    .sort((a, b) => a.ms - b.ms)
    .slice(0, most);
}

/** Says whether a state that is shown may have changed by something that is told of its workflow or of its run. */
export function concerns(data: unknown, workflowId: string | null, runId: string): boolean {
  if (typeof data !== 'object' || data === null) return false;
  const told = data as Any;
  return told['run_id'] === runId || (workflowId !== null && told['workflow_id'] === workflowId);
}
