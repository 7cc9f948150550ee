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
    const params = { path: { model_id: modelId } };
    return (await call(api.GET('/api/models/{model_id}', { params }))).context_window;
  } catch {
    known.delete(modelId);
    return null;
  }
}
