/** The steps of the run that somebody looks at, as commands of the palette: found by name, shown in the timeline. */
import type { Command } from '$lib/keys.svelte';
import { isWork, offered } from '$lib/names';
import type { TimelineSpan } from '$types/trace';

/** In how many steps is looked. */
const MOST = 2000;

/** Where the steps of the open run come from: whoever opens one says so, so that the palette need not load them. */
export const opened: { steps: () => readonly TimelineSpan[] } = { steps: () => [] };

/** Returns the steps as commands that go to them; the work of a call is the call. */
export function jumpsTo(
  spans: readonly TimelineSpan[],
  group: string,
  go: (path: string) => void,
): readonly Command[] {
  return spans
    .slice(0, MOST)
    .filter((span) => !isWork(span.name) || span.parent === '')
    .map((span) => {
      const { name, server } = offered(span.name);
      const run = () => go(span.path);
      return { id: `step ${span.path}`, title: name, group, words: `${server} ${span.path}`, run };
    });
}
