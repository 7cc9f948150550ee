/** The MCP servers and how they are doing, asked for again and again while somebody looks. */
import { api, call } from '$lib/api';
import type { McpServer } from '$types/api';

/** How long between two questions (milliseconds); shorter while a server connects. */
const CALM = 4000;
const SOON = 1000;

export class ServersWatch {
  servers = $state.raw<readonly McpServer[] | null>(null);
  error = $state.raw<unknown>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #over = false;
  #asked = 0;

  /** Begins to ask, and returns how to stop. */
  start(): () => void {
    const seen = (): void => {
      if (!document.hidden) void this.load();
    };
    document.addEventListener('visibilitychange', seen);
    void this.load();
    return () => {
      this.#over = true;
      clearTimeout(this.#timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }

  async load(): Promise<void> {
    clearTimeout(this.#timer);
    const place = ++this.#asked;
    try {
      const page = await call(api.GET('/api/mcp_servers', { params: { query: { limit: 200 } } }));
      if (place !== this.#asked) return;
      this.servers = page.items;
      this.error = null;
    } catch (refusal) {
      if (place === this.#asked) this.error = refusal;
    }
    if (this.#over || place !== this.#asked) return;
    const connecting = this.servers?.some((each) => each.status.state === 'connecting');
    this.#timer = setTimeout(
      () => {
        if (!document.hidden) void this.load();
      },
      connecting ? SOON : CALM,
    );
  }
}
