/** The settings that are in force, where each comes from, and changes of them; looked at again when a tab is. */
import { api, call } from '$lib/api';
import { live } from '$lib/live/live';
import type { Choice, SettingsInForce, SettingSource } from '$types/api';

class SettingsStore {
  value = $state.raw<SettingsInForce | null>(null);
  error = $state.raw<unknown>(null);
  readonly sources = $derived(new Map((this.value?.sources ?? []).map((each) => [each.key, each])));
  #asked = 0;

  source(key: string): SettingSource | null {
    return this.sources.get(key) ?? null;
  }

  async load(): Promise<void> {
    const place = ++this.#asked;
    try {
      const found = await call(api.GET('/api/settings'));
      if (place !== this.#asked) return;
      this.value = found;
      this.error = null;
    } catch (error) {
      if (place === this.#asked) this.error = error;
    }
  }

  /** Changes what is named; throws what the server says against it, and then nothing has changed. */
  async change(changes: Choice): Promise<void> {
    const place = ++this.#asked;
    const found = await call(api.PATCH('/api/settings', { body: changes }));
    if (place === this.#asked) this.value = found;
    else await this.load();
  }

  /** Loads them, and again when this tab is looked at or the stream began anew; returns how to stop. */
  follow(): () => void {
    const seen = (): void => {
      if (!document.hidden) void this.load();
    };
    void this.load();
    document.addEventListener('visibilitychange', seen);
    const stopped = live.onReset(() => void this.load());
    return () => {
      document.removeEventListener('visibilitychange', seen);
      stopped();
    };
  }
}

export const settingsStore = new SettingsStore();
