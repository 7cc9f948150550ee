/** Which columns are shown beside a workflow: the window's width decides until somebody does. */
import { innerWidth } from 'svelte/reactivity/window';
import { keep, kept } from './look.svelte';

const KEY = 'stretto.panes';

interface Kept {
  left?: boolean;
  right?: boolean;
}

/** What a width allows: three columns from 1600 pixels, letters on the left below 1200, drawers below 900. */
export function allowed(width: number, wide: boolean): { narrow: boolean; left: boolean; right: boolean } {
  return { narrow: width < 900, left: width >= 1200, right: width >= 1600 || !wide };
}

class Panes {
  #left = $state<boolean | null>(null);
  #right = $state<boolean | null>(null);
  /** Whether the activity was opened beside a view that takes the width; forgotten with the page. */
  #beside = $state(false);

  constructor() {
    const { left, right } = kept<Kept>(KEY);
    this.#left = left ?? null;
    this.#right = right ?? null;
  }

  get width(): number {
    return innerWidth.current ?? 1440;
  }

  get narrow(): boolean {
    return allowed(this.width, false).narrow;
  }

  /** Whether the list of workflows is shown in full. */
  get left(): boolean {
    const fits = allowed(this.width, false).left;
    return fits ? (this.#left ?? true) : this.#left === true && this.width >= 1100;
  }

  /** Whether the activity is shown in full beside a view that takes the width, or another. */
  right(wide: boolean): boolean {
    return allowed(this.width, wide).right ? (this.#right ?? true) : this.#beside;
  }

  toggleLeft(): void {
    this.#left = !this.left;
    this.#keep();
  }

  toggleRight(wide: boolean): void {
    if (!allowed(this.width, wide).right) {
      this.#beside = !this.#beside;
      return;
    }
    this.#right = !this.right(wide);
    this.#keep();
  }

  #keep(): void {
    keep(KEY, { left: this.#left ?? undefined, right: this.#right ?? undefined });
  }
}

export const panes = new Panes();
