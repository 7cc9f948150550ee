/** Shortcuts and commands: every view says what it offers, the palette and the help show it. */
import { look } from '$lib/stores/look.svelte';

export interface Command {
  id: string;
  title: string;
  /** Under which heading the palette and the help show it. */
  group: string;
  /** `?`, `g t`, `mod+k`, `mod+Enter`; `mod` is Ctrl, or Command on a Mac; none for what only the palette runs. */
  keys?: string;
  /** More words by which the palette finds it. */
  words?: string;
  /** Whether it also works while a text is being typed. */
  typing?: boolean;
  /** Whether the palette leaves it out, as for moving in a list. */
  hidden?: boolean;
  when?: () => boolean;
  run: () => void;
}

const MAC = /mac/i.test(navigator.platform);
const PATIENCE = 1200;

class Keys {
  commands = $state.raw<readonly Command[]>([]);
  #prefix = '';
  #since = 0;

  constructor() {
    addEventListener('keydown', (event) => this.#pressed(event));
  }

  /** Offers commands as long as a component lives: `$effect(() => keys.offer([...]))`. */
  offer(commands: readonly Command[]): () => void {
    let here = true;
    // a moment later: offering must not make the effect depend on what others offer
    queueMicrotask(() => {
      if (here) this.commands = [...this.commands, ...commands];
    });
    return () => {
      here = false;
      queueMicrotask(() => (this.commands = this.commands.filter((each) => !commands.includes(each))));
    };
  }

  #pressed(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing) return;
    const typing = isTyping(event.target);
    const name = nameOf(event);
    if (!name) return;
    const started = Date.now() - this.#since < PATIENCE ? this.#prefix : '';
    const whole = started ? `${started} ${name}` : name;
    this.#prefix = '';
    const open = document.querySelector('dialog[open]') !== null;
    if (!look.singleKeys && name.length === 1 && !name.startsWith('mod+')) return;
    const usable = this.commands.filter((each) => each.typing || (!typing && !open)).toReversed();
    const fitting = (wanted: string) =>
      usable.find((each) => each.keys === wanted && (!each.when || each.when()));
    // a pair before a single key: the second key of a pair alone may mean something else
    const command = (started ? fitting(whole) : undefined) ?? fitting(name);
    if (command) {
      event.preventDefault();
      command.run();
      return;
    }
    if (
      !typing &&
      !open &&
      look.singleKeys &&
      this.commands.some((each) => each.keys?.startsWith(`${name} `))
    ) {
      this.#prefix = name;
      this.#since = Date.now();
    }
  }
}

/** Says whether a key press belongs to a field. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return !['checkbox', 'radio', 'range', 'button', 'submit'].includes(target.type);
  return (
    target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable
  );
}

function nameOf(event: KeyboardEvent): string {
  if (['Control', 'Shift', 'Alt', 'Meta'].includes(event.key)) return '';
  const mod = MAC ? event.metaKey : event.ctrlKey;
  if (event.altKey || (!mod && (event.ctrlKey || event.metaKey))) return '';
  return (mod ? 'mod+' : '') + (mod && event.key.length === 1 ? event.key.toLowerCase() : event.key);
}

/** Tells a shortcut as its keys are labelled: `Ctrl K`, `⌘ K`, `g t`. */
export function shownKeys(keys: string): string[] {
  return keys
    .split(' ')
    .flatMap((part) =>
      part
        .split('+')
        .map((key) =>
          key === 'mod'
            ? MAC
              ? '⌘'
              : 'Ctrl'
            : key.length === 1 && part.includes('+')
              ? key.toUpperCase()
              : key,
        ),
    );
}

export const keys = new Keys();
