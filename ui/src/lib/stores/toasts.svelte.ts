/** Short notices of what happens elsewhere: five at once, the oldest gives way; what needs a person stays. */

export interface Toast {
  id: number;
  kind: 'info' | 'success' | 'error' | 'waiting';
  text: string;
  /** Where it leads. */
  href?: string;
  action?: { label: string; run: () => void };
  /** How long it stays (milliseconds); 0 until it is closed. */
  stays: number;
}

const MOST = 5;

class Toasts {
  shown = $state.raw<readonly Toast[]>([]);
  #next = 1;
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();

  show(
    kind: Toast['kind'],
    text: string,
    more: Partial<Pick<Toast, 'href' | 'action' | 'stays'>> = {},
  ): number {
    const id = this.#next++;
    const stays = more.stays ?? (kind === 'waiting' ? 0 : kind === 'error' ? 8000 : 5000);
    const isAgain = (each: Toast) =>
      each.kind !== 'waiting' && each.kind === kind && each.text === text && each.href === more.href;
    for (const each of this.shown) if (isAgain(each)) this.close(each.id);
    this.shown = [...this.shown, { id, kind, text, ...more, stays }];
    while (this.shown.length > MOST) {
      const oldest = this.shown.find((each) => each.stays > 0) ?? this.shown[0];
      if (oldest) this.close(oldest.id);
    }
    this.resume(id);
    return id;
  }

  info(text: string, more: Partial<Pick<Toast, 'href' | 'action' | 'stays'>> = {}): number {
    return this.show('info', text, more);
  }

  success(text: string, more: Partial<Pick<Toast, 'href' | 'action' | 'stays'>> = {}): number {
    return this.show('success', text, more);
  }

  error(text: string, more: Partial<Pick<Toast, 'href' | 'action' | 'stays'>> = {}): number {
    return this.show('error', text, more);
  }

  close(id: number): void {
    this.pause(id);
    this.shown = this.shown.filter((each) => each.id !== id);
  }

  /** Lets a notice stay while somebody reads it. */
  pause(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  /** Lets its time run from now. */
  resume(id: number): void {
    const found = this.shown.find((each) => each.id === id);
    this.pause(id);
    if (found && found.stays > 0)
      this.#timers.set(
        id,
        setTimeout(() => this.close(id), found.stays),
      );
  }
}

export const toastStore = new Toasts();
