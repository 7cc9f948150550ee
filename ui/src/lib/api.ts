/** The server's operations, typed from its own description; what it refuses is thrown as an error that knows why. */
import createClient from 'openapi-fetch';
import { problems } from '$lib/i18n/problems';
import type { FieldProblem, paths, ProblemDetails } from '$types/api';

/** The address below which the server stands, without a slash at the end. */
export const ROOT = new URL('.', document.baseURI).pathname.replace(/\/$/, '');

/** Says what the server refused, or that it could not be reached (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly fields: readonly FieldProblem[] = [],
    readonly requestId = '',
  ) {
    super(detail);
    this.name = 'ApiError';
  }

  /** Whether the same request may succeed later without being changed. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

type Listener = (error: ApiError) => void;
const listeners = new Set<Listener>();

/** Calls a function with every refusal, and returns how to stop; the frame shows the login form on 401. */
export function onRefused(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** How long an answer to a question may take (milliseconds); what changes something is waited for. */
const PATIENCE = 60_000;

async function asked(request: Request): Promise<Response> {
  const patience = request.method === 'GET' ? AbortSignal.timeout(PATIENCE) : null;
  try {
    return await fetch(request, patience ? { signal: AbortSignal.any([request.signal, patience]) } : {});
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', problems().noAnswer);
  }
}

export const api = createClient<paths>({
  baseUrl: location.origin + ROOT,
  fetch: asked,
  credentials: 'same-origin',
});

/** Returns the body of an answer; throws `ApiError` for a refusal. */
export async function call<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  let found: { data?: T; error?: unknown; response: Response };
  try {
    found = await answer;
  } catch (error) {
    if (error instanceof ApiError) tell(error);
    throw error instanceof SyntaxError ? new ApiError(0, 'unreadable', problems().cut) : error;
  }
  if (found.response.ok) return found.data as T;
  const problem = (
    typeof found.error === 'object' && found.error ? found.error : {}
  ) as Partial<ProblemDetails>;
  const refusal = new ApiError(
    found.response.status,
    problem.code ?? 'http',
    problem.detail ?? problems().answered(found.response.status),
    problem.errors ?? [],
    problem.request_id ?? found.response.headers.get('x-request-id') ?? '',
  );
  tell(refusal);
  throw refusal;
}

function tell(refusal: ApiError): void {
  for (const listener of listeners) listener(refusal);
}
