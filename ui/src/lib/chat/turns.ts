/** The conversation as turns: what was asked, what was answered, and how the execution ended. */
import type { Execution, Message } from '$types/workflow';

export interface Turn {
  runId: string;
  asked: Message | null;
  answers: Message[];
  /** As its execution stands; null when that is not known. */
  status: Execution['status'] | null;
  error: string | null;
  /** What it repeats, if it does. */
  again: boolean;
}

/** Returns the turns of messages in their order; executions that wait in the queue are none. */
export function turnsOf(messages: readonly Message[], executions: readonly Execution[]): Turn[] {
  const turns = new Map<string, Turn>();
  const known = new Map(executions.map((each) => [each.run_id, each]));
  for (const message of messages) {
    let turn = turns.get(message.run_id);
    if (!turn) {
      const execution = known.get(message.run_id);
      turn = {
        runId: message.run_id,
        asked: null,
        answers: [],
        status: execution?.status ?? null,
        error: execution?.error ?? null,
        again: !!execution?.rerun,
      };
      turns.set(message.run_id, turn);
    }
    if (message.role === 'user') turn.asked ??= message;
    else turn.answers.push(message);
  }
  return [...turns.values()];
}

/** Returns the texts that were sent, the newest first, each once. */
export function sentTexts(messages: readonly Message[]): string[] {
  const texts = messages.filter((each) => each.role === 'user').map((each) => each.content);
  return [...new Set(texts.toReversed())];
}
