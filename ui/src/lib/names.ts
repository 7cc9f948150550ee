/** How steps and tools are called: the one place that knows what `mcp__server__tool` and `run` stand for. */

const OF_SERVER = /^mcp__(.+?)__(.+)$/;
const WORK = /^run(#\d+)?$/;

/** Returns a tool's own name, and the server that offers it; `server` is empty for what is no tool of a server. */
export function offered(name: string): { name: string; server: string } {
  const parts = OF_SERVER.exec(name);
  return { name: parts?.[2] ?? name, server: parts?.[1] ?? '' };
}

/** Returns a name where there is no room for the server. */
export function shownName(name: string): string {
  return offered(name).name;
}

/** Returns a name with the server in front of it. */
export function wholeName(name: string): string {
  const { name: own, server } = offered(name);
  return server ? `${server} · ${own}` : own;
}

/** Says whether a step is the work of the call above it. */
export function isWork(name: string): boolean {
  return WORK.test(name);
}

/** Returns what a path is called where there is no room for all of it: the work of a call by the call's name. */
export function shortName(path: string): string {
  const parts = path.split('/');
  const end = parts.at(-1) ?? '';
  return isWork(end) && parts.length > 1 ? (parts.at(-2) ?? end) : end;
}
