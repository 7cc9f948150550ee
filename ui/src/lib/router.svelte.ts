/** Which view is shown: the address is the state, so every view has a link and the back button works. */

export type Query = Readonly<Record<string, string>>;
export type RouteName =
  | 'workflows'
  | 'workflow'
  | 'runs'
  | 'run'
  | 'compare'
  | 'agents'
  | 'tools'
  | 'approvals'
  | 'settings'
  | 'unknown';

interface Route {
  readonly name: RouteName;
  readonly params: Readonly<Record<string, string>>;
}

const ROUTES: readonly (readonly [RouteName, string])[] = [
  ['workflows', ''],
  ['workflows', 'workflows'],
  ['workflow', 'workflows/:id'],
  ['runs', 'runs'],
  ['run', 'runs/:id'],
  ['compare', 'runs/:id/compare/:other'],
  ['agents', 'agents'],
  ['agents', 'agents/:id'],
  ['tools', 'tools'],
  ['tools', 'tools/:id'],
  ['approvals', 'approvals'],
  ['approvals', 'approvals/:id'],
  ['settings', 'settings'],
  ['settings', 'settings/:section'],
];

/** Returns the route of a path relative to the root, without slashes around it. */
export function routeOf(path: string): Route {
  const given = path.split('/').filter(Boolean);
  for (const [name, pattern] of ROUTES) {
    const wanted = pattern.split('/').filter(Boolean);
    if (wanted.length !== given.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((part, place) => {
      const value = given[place] ?? '';
      if (!part.startsWith(':')) return part === value;
      params[part.slice(1)] = decoded(value);
      return true;
    });
    if (fits) return { name, params };
  }
  return { name: 'unknown', params: {} };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

class Router {
  readonly base = new URL('.', document.baseURI).pathname;
  path = $state('');
  query = $state.raw<Query>({});
  readonly route = $derived(routeOf(this.path));

  constructor() {
    this.#read();
    addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => this.#followed(event));
  }

  get name(): RouteName {
    return this.route.name;
  }

  get params(): Readonly<Record<string, string>> {
    return this.route.params;
  }

  /** Returns the address of a view, as a link needs it: `href('workflows/7', { tab: 'timeline' })`. */
  href(path: string, query: Record<string, string | null | undefined> = {}): string {
    const given = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1]);
    const search = new URLSearchParams(given).toString();
    return this.base + path.replace(/^\/+/, '') + (search ? `?${search}` : '');
  }

  /** Shows a view; `replace` leaves no step for the back button. */
  go(path: string, query: Record<string, string | null | undefined> = {}, replace = false): void {
    this.#show(this.href(path, query), replace);
  }

  /** Changes parts of the view's state; null removes one. The back button passes over it unless `step` is set. */
  set(query: Record<string, string | null | undefined>, step = false): void {
    const merged: Record<string, string | null | undefined> = { ...this.query, ...query };
    this.#show(this.href(this.path, merged), !step);
  }

  #show(href: string, replace: boolean): void {
    if (href === location.pathname + location.search) return;
    if (replace) history.replaceState(null, '', href);
    else history.pushState(null, '', href);
    this.#read();
  }

  #read(): void {
    const path = location.pathname;
    this.path = path.startsWith(this.base) ? path.slice(this.base.length).replace(/^\/+|\/+$/g, '') : '';
    this.query = Object.fromEntries(new URLSearchParams(location.search));
  }

  #followed(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href, document.baseURI);
    if (url.origin !== location.origin || !url.pathname.startsWith(this.base)) return;
    const inside = url.pathname.slice(this.base.length);
    if (routeOf(inside).name === 'unknown') return;
    if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
    event.preventDefault();
    this.#show(url.pathname + url.search, false);
  }
}

export const router = new Router();
