/** The rows of the list of messages: what a person asked, what was answered, and the answer that is being made. */
import type { Message } from '$types/workflow';
import { NO_PARTS, type Parts } from './parts';
import type { Turn } from './turns';

export type Row =
  | { key: string; kind: 'asked'; runId: string; message: Message; again: boolean }
  | {
      key: string;
      kind: 'answer';
      runId: string;
      turn: Turn;
      message: Message | null;
      parts: Parts;
      last: boolean;
    }
  | { key: string; kind: 'live'; runId: string };

/** Returns the rows of turns; the run that goes on, if any, has its answer at the end. */
export function rowsOf(
  turns: readonly Turn[],
  parts: ReadonlyMap<string, Parts>,
  liveRun: string | null,
): Row[] {
  const rows: Row[] = [];
  for (const turn of turns) {
    const { runId } = turn;
    if (turn.asked)
      rows.push({ key: `${runId} asked`, kind: 'asked', runId, message: turn.asked, again: turn.again });
    if (runId === liveRun) continue;
    const found = parts.get(runId) ?? NO_PARTS;
    const own = turn.answers.length > 0 ? turn.answers : [null];
    for (const [place, message] of own.entries()) {
      const last = place === own.length - 1;
      const key = `${runId} answer${place ? ` ${place}` : ''}`;
      rows.push({ key, kind: 'answer', runId, turn, message, parts: place === 0 ? found : NO_PARTS, last });
    }
  }
  if (liveRun) rows.push({ key: `${liveRun} answer`, kind: 'live', runId: liveRun });
  return rows;
}
