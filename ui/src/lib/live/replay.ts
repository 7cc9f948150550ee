/** What was told of one execution since it began, asked for once and read piece by piece. */
import { ApiError, ROOT } from '$lib/api';
import { problems } from '$lib/i18n/problems';

/** Reads server-sent events from pieces of text, each with its name and its data. */
export class EventReader {
  #rest = '';
  #name = '';
  #data: string[] = [];

  /** Takes the next piece, and returns the events that are whole now. */
  take(piece: string): (readonly [name: string, data: string])[] {
    const found: (readonly [string, string])[] = [];
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const ended of lines) {
      const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
      if (line.startsWith('event:')) this.#name = line.slice(6).trim();
      else if (line.startsWith('data:')) this.#data.push(line.slice(5).replace(/^ /, ''));
      else if (line === '') {
        if (this.#data.length) found.push([this.#name, this.#data.join('\n')]);
        this.#name = '';
        this.#data = [];
      }
    }
    return found;
  }
}

/** Hands on every event of a workflow since its execution of that number began, up to now. */
export async function replay(
  workflowId: string,
  ordinal: number,
  take: (name: string, data: unknown) => void,
  signal?: AbortSignal,
): Promise<void> {
  const address = `${ROOT}/api/workflows/${workflowId}/events?after=${ordinal}.0.0&follow=false`;
  const answer = await fetch(address, { signal, credentials: 'same-origin', cache: 'no-store' });
  if (!answer.ok || !answer.body)
    throw new ApiError(answer.status, 'http', problems().answered(answer.status));
  const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const reader = new EventReader();
  for (let piece = await pieces.read(); !piece.done; piece = await pieces.read())
    for (const [name, data] of reader.take(piece.value)) take(name, JSON.parse(data));
}
