/** Which figures of a run are worth showing: what says nothing is left out. */
import type { TraceSummary } from '$types/trace';

export interface Figures {
  /** Null where nothing ran beside anything. */
  speedup: number | null;
  parallel: number | null;
  bottleneck: string | null;
  running: number;
  failures: number;
  /** Milliseconds; null below a tenth of a second. */
  queued: number | null;
  tokens: { input: number; output: number; cost: number | null } | null;
}

/** Returns the figures that a line of them shows; times are in milliseconds. */
export function shownFigures(summary: TraceSummary): Figures {
  const several = summary.operations > 1;
  const used = summary.tokens_input + summary.tokens_output > 0;
  return {
    speedup: several && summary.wall_ms > 0 ? summary.speedup_factor : null,
    parallel: several ? summary.parallelization_ratio : null,
    bottleneck: several ? summary.bottleneck : null,
    running: summary.running,
    failures: summary.failures,
    queued: summary.queue_ms >= 100 ? summary.queue_ms : null,
    tokens: used ? { input: summary.tokens_input, output: summary.tokens_output, cost: summary.cost } : null,
  };
}

/** Returns how a step is called in a line: a call's inner step is called as the call, a model as its agent's. */
export function nameOf(path: string): string {
  const parts = path.split('/').map((part) => part.replace(/#\d+$/, ''));
  const last = parts.at(-1) ?? path;
  const above = parts.at(-2);
  if (!above) return last;
  return last === 'run' ? above : last === 'model' ? `${above} · ${last}` : last;
}
