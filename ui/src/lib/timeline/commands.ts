/** The commands of the timeline with their keys. */
import type { timeline } from '$lib/i18n/timeline';
import type { Command } from '$lib/keys.svelte';
import { router } from '$lib/router.svelte';
import { toastStore } from '$lib/stores/toasts.svelte';
import { copyText } from '$lib/ui/clipboard';
import type { Board } from './board.svelte';
import { copyable, permalink } from './copying';

type Words = ReturnType<typeof timeline>;

interface Doing {
  /** Moves the active row, and shows it. */
  moved: (by: () => void) => void;
  find: () => void;
  lists: () => void;
}

/** Returns every command of a timeline. */
export function commandsOf(board: Board, t: Words, doing: Doing): Command[] {
  const command = (keys: string, title: string, run: () => void, more: Partial<Command> = {}): Command => ({
    id: `timeline ${keys}`,
    title,
    group: t.group,
    keys,
    run,
    ...more,
  });
  const hidden = { hidden: true };
  const sought = (by: () => boolean, none: string) => () =>
    doing.moved(() => {
      if (!by()) toastStore.show('info', none);
    });
  return [
    command('f', t.filter, doing.find),
    command('w', t.zoomIn, () => board.zoom(1 / 1.5), hidden),
    command('s', t.zoomOut, () => board.zoom(1.5), hidden),
    command('+', t.zoomIn, () => board.zoom(1 / 1.5)),
    command('-', t.zoomOut, () => board.zoom(1.5)),
    command('a', t.left, () => board.move(-0.2), hidden),
    command('d', t.right, () => board.move(0.2), hidden),
    command('0', t.fitTitle, () => board.fit()),
    command('Backspace', t.back, () => board.back()),
    command('c', t.critical, () => router.set({ crit: board.critical ? '0' : null })),
    command('x', t.collapse, () => router.set({ idle: router.query.idle === '1' ? null : '1' }), {
      when: () => !board.trace.lives,
    }),
    command('b', t.bottlenecks, doing.lists),
    command(
      'e',
      t.nextError,
      sought(() => board.toError(1), t.noErrors),
    ),
    command(
      'E',
      t.previousError,
      sought(() => board.toError(-1), t.noErrors),
    ),
    command(
      'n',
      t.nextMatch,
      sought(() => board.toMatch(1), t.noMatches),
    ),
    command(
      'N',
      t.previousMatch,
      sought(() => board.toMatch(-1), t.noMatches),
    ),
    command('j', t.nextRow, () => doing.moved(() => board.step(1)), hidden),
    command('k', t.previousRow, () => doing.moved(() => board.step(-1)), hidden),
    command('l', t.open, () => doing.moved(() => board.stepIn()), hidden),
    command('h', t.close, () => doing.moved(() => board.stepOut()), hidden),
    command('1', t.level(1), () => board.showLevels(1), hidden),
    command('2', t.level(2), () => board.showLevels(2), hidden),
    command('3', t.level(3), () => board.showLevels(3), hidden),
    command(
      'y',
      t.copyLink,
      () => void copied(permalink(board.trace, board.selected, location.origin), t, t.linkCopied),
    ),
    command('Y', t.copyJson, () => void copied(json(board), t, t.jsonCopied), {
      when: () => board.activePlace >= 0,
    }),
    command('Escape', t.unfollow, () => leave(board), {
      hidden: true,
      when: () => board.selected !== '' || board.range !== null || (board.trace.lives && board.follows),
    }),
  ];
}

/** Esc closes what is open, one thing at a time, then stops following. */
function leave(board: Board): void {
  if (board.range) board.range = null;
  else if (board.selected) router.set({ span: null });
  else board.follows = false;
}

function json(board: Board): string {
  return copyable(board.spanAt(board.activePlace), null);
}

async function copied(text: string, t: Words, said: string): Promise<void> {
  if (await copyText(text)) toastStore.show('success', said);
  else toastStore.error(t.copyFailed);
}

/** Returns what a key does in the grid of rows, if anything; a page is so many rows. */
export function gridMove(board: Board, event: KeyboardEvent, page: number): (() => void) | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const moves: Record<string, () => void> = {
    ArrowDown: () => board.step(1),
    ArrowUp: () => board.step(-1),
    PageDown: () => board.step(page),
    PageUp: () => board.step(-page),
    Home: () => board.step(-board.rows.length),
    End: () => board.step(board.rows.length),
    ArrowRight: () => board.stepIn(),
    ArrowLeft: () => board.stepOut(),
    Enter: () => board.activate(board.activePlace < 0 ? (board.rows[0] ?? -1) : board.activePlace, true),
    ' ': () => board.turn(board.activePlace),
  };
  return moves[event.key];
}
