/** What models say in one execution: the words of its own agent, and the thoughts of all. */
import type { ReasoningStep, StreamChunk } from '$types/streaming';

/** How many characters a token has, about: words that come in large pieces are counted so. */
const TOKEN = 4;

interface Answer {
  attempt: number;
  /** Whether the words are those of the workflow's own agent, not of a sub-agent. */
  own: boolean;
  words: string;
  thoughts: string;
  step: ReasoningStep | null;
  thinking: boolean;
}

/** Gathers pieces by the path of the answer that they belong to. */
export class Answers {
  #answers = new Map<string, Answer>();
  #pieces = 0;
  #characters = 0;
  #steps = 0;
  #written: string | null = null;

  clear(): void {
    this.#answers.clear();
    this.#pieces = this.#characters = this.#steps = 0;
    this.#written = null;
  }

  /** The words of the workflow's own agent: those of its answers, an empty line between them. */
  get content(): string {
    this.#written ??= this.#own().join('\n\n');
    return this.#written;
  }

  /** What its last answer says: that is the result, once it is completed. */
  get last(): string {
    return this.#own().at(-1) ?? '';
  }

  #own(): string[] {
    const found: string[] = [];
    for (const answer of this.#answers.values())
      if (answer.own && answer.words.trim() !== '') found.push(answer.words);
    return found;
  }

  /** How many tokens came: each piece is one at least, and longer ones are several. */
  get tokens(): number {
    return Math.max(this.#pieces, Math.floor(this.#characters / TOKEN));
  }

  /** The thoughts, in the order in which they began; an answer that thought nothing has none. */
  get steps(): ReasoningStep[] {
    const found: ReasoningStep[] = [];
    for (const answer of this.#answers.values())
      if (answer.step && answer.thoughts.trim()) found.push(answer.step);
    return found.sort((one, other) => one.number - other.number);
  }

  /** Takes words, which may be several pieces put together; says whether a thought has ended with them. */
  said(chunk: StreamChunk, pieces: number): boolean {
    const answer = this.#of(chunk);
    const ended = this.#ends(answer, chunk);
    answer.words += chunk.content ?? '';
    if (answer.own) {
      this.#pieces += Math.max(1, pieces);
      this.#characters += chunk.content?.length ?? 0;
      this.#written = null;
    }
    return ended;
  }

  /** Takes a part of a thought. */
  thought(chunk: StreamChunk): void {
    const answer = this.#of(chunk);
    const text = chunk.content ?? '';
    answer.thoughts += text;
    answer.thinking = true;
    const at = chunk.ts * 1000;
    if (!answer.step && !answer.thoughts.trim()) return;
    const known = answer.step;
    const started = known?.started || at;
    answer.step = {
      id: `${chunk.run_id}:${chunk.path}`,
      path: chunk.path,
      run_id: chunk.run_id,
      agent: chunk.sub_agent_name ?? null,
      number: known?.number ?? ++this.#steps,
      started,
      content: answer.thoughts,
      duration: Math.round(at - started),
    };
  }

  /** Forgets what the answers of an agent said that begins anew; says whether there was any. */
  void(agent: string): boolean {
    let found = false;
    for (const [path, answer] of this.#answers)
      if (path.startsWith(`${agent}/`)) {
        this.#forget(answer);
        found = true;
      }
    return found;
  }

  #of(chunk: StreamChunk): Answer {
    const attempt = chunk.attempt ?? 1;
    let answer = this.#answers.get(chunk.path);
    if (!answer) {
      answer = { attempt, own: !chunk.sub_agent_id, words: '', thoughts: '', step: null, thinking: false };
      this.#answers.set(chunk.path, answer);
    } else if (attempt > answer.attempt) {
      answer.attempt = attempt;
      this.#forget(answer);
    }
    return answer;
  }

  #forget(answer: Answer): void {
    answer.words = answer.thoughts = '';
    answer.thinking = false;
    // it keeps its number, and its beginning is told anew
    if (answer.step) answer.step = { ...answer.step, started: 0, content: '', duration: null };
    this.#written = null;
  }

  #ends(answer: Answer, chunk: StreamChunk): boolean {
    if (!answer.thinking || !answer.step) return false;
    answer.thinking = false;
    answer.step = { ...answer.step, duration: Math.round(chunk.ts * 1000 - answer.step.started) };
    return true;
  }
}
