/** A server for tests of stores: it answers what a test says, and remembers what it was asked. */
import { vi } from 'vitest';
import { live } from '$lib/live/live';

export type Answer = (body: unknown, url: URL) => unknown;

/** What is refused: `throw new Refusal(409, 'conflict')` in an answer. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code = 'conflict',
  ) {
    super(`refused with ${status}`);
  }
}

/** Answers requests by their method and path: `{'GET /api/queue': () => []}`; a part `*` stands for any. */
export class FakeServer {
  asked: { what: string; body: unknown; url: URL }[] = [];
  readonly #answers: Record<string, Answer>;

  constructor(answers: Record<string, Answer> = {}) {
    this.#answers = answers;
    vi.stubGlobal('fetch', (input: Request | string, init?: RequestInit) => this.#answer(input, init));
    live.take({ kind: 'link', state: 'connected', tabs: 1, retryAt: null });
  }

  on(what: string, answer: Answer): this {
    this.#answers[what] = answer;
    return this;
  }

  /** What was asked under a name. */
  bodies(what: string): unknown[] {
    return this.asked.filter((each) => each.what === what).map((each) => each.body);
  }

  /** Tells an event of the stream to the whole page. */
  tell(name: string, data: unknown): void {
    live.take({ kind: 'events', events: [[name, JSON.stringify(data), '']] });
  }

  async #answer(input: Request | string, init?: RequestInit): Promise<Response> {
    const request = typeof input === 'string' ? new Request(new URL(input, location.origin), init) : input;
    const url = new URL(request.url);
    const text = await request.text();
    const body: unknown = text ? JSON.parse(text) : null;
    const asked = `${request.method} ${url.pathname}`;
    const found = Object.entries(this.#answers).find(([what]) => fits(what, asked));
    if (!found) throw new Error(`the test does not answer ${asked}`);
    this.asked.push({ what: found[0], body, url });
    try {
      const answer = await found[1](body, url);
      if (answer instanceof Response) return answer;
      return answer === undefined ? new Response(null, { status: 204 }) : Response.json(answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return Response.json({ code: error.code, detail: error.message }, { status: error.status });
    }
  }
}

function fits(what: string, asked: string): boolean {
  const wanted = what.split(/[ /]/);
  const given = asked.split(/[ /]/);
  return (
    wanted.length === given.length && wanted.every((part, place) => part === '*' || part === given[place])
  );
}

/** Returns a page of a list. */
export function paged<T>(items: T[]): { items: T[]; total: number; limit: number; offset: number } {
  return { items, total: items.length, limit: 200, offset: 0 };
}

/** Lets everything that is under way come to its end. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((done) => setTimeout(done, 0));
}
