/** How the page looks and which language it speaks: kept in this browser, shared by its tabs. */

export type Theme = 'system' | 'light' | 'dark';
export type Locale = 'en' | 'fr';
export const LOCALES: readonly Locale[] = ['en', 'fr'];
const KEY = 'stretto.look';

interface Kept {
  theme?: Theme;
  locale?: Locale;
  singleKeys?: boolean;
}

/** Reads JSON that this browser keeps; a browser that keeps nothing, or nonsense, has an empty record. */
export function kept<T extends object>(key: string): Partial<T> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? '{}');
    return typeof found === 'object' && found !== null ? (found as Partial<T>) : {};
  } catch {
    return {};
  }
}

/** Keeps JSON in this browser, and says whether it could: storage may be full, or forbidden. */
export function keep(key: string, value: object): boolean {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

class Look {
  theme = $state<Theme>('system');
  locale = $state<Locale>('en');
  /** Whether a single letter is a shortcut (WCAG 2.1.4: it can be turned off). */
  singleKeys = $state(true);
  /** Whether this browser could keep the last choice. */
  lasting = $state(true);
  #system = $state(false);

  constructor() {
    const media = matchMedia('(prefers-color-scheme: light)');
    this.#system = media.matches;
    media.addEventListener('change', () => (this.#system = media.matches));
    this.#read();
    addEventListener('storage', (event) => {
      if (event.key === KEY) this.#read();
    });
    $effect.root(() => {
      $effect(() => {
        document.documentElement.dataset.theme = this.shown;
        document.documentElement.lang = this.locale;
      });
    });
  }

  /** The theme that is shown. */
  get shown(): 'light' | 'dark' {
    return this.theme === 'system' ? (this.#system ? 'light' : 'dark') : this.theme;
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.#keep();
  }

  setLocale(locale: Locale): void {
    this.locale = locale;
    this.#keep();
  }

  setSingleKeys(on: boolean): void {
    this.singleKeys = on;
    this.#keep();
  }

  #read(): void {
    const found = kept<Kept>(KEY);
    this.theme = found.theme === 'light' || found.theme === 'dark' ? found.theme : 'system';
    const wanted = found.locale ?? (navigator.language || 'en').slice(0, 2);
    this.locale = wanted === 'fr' ? 'fr' : 'en';
    this.singleKeys = found.singleKeys !== false;
  }

  #keep(): void {
    this.lasting = keep(KEY, { theme: this.theme, locale: this.locale, singleKeys: this.singleKeys });
  }
}

export const look = new Look();
