/** How many tokens fit into a model's context: asked once for each model. */
import { api, call } from '$lib/api';

const known = new Map<string, Promise<number | null>>();

/** Returns the size of a model's context in tokens; null where nobody knows it. */
export function contextOf(modelId: string): Promise<number | null> {
  const found = known.get(modelId) ?? asked(modelId);
  known.set(modelId, found);
  return found;
}

async function asked(modelId: string): Promise<number | null> {
  try {
    // searched for among all: one that was given to the server by a program is not there
    const query = { text: modelId.slice(modelId.indexOf(':') + 1).slice(0, 128), limit: 200 };
    const found = await call(api.GET('/api/models', { params: { query } }));
    return found.items.find((each) => each.id === modelId)?.context_window ?? null;
  } catch {
    known.delete(modelId);
    return null;
  }
}
