/** What a view shows in the line at the foot: `$effect(() => footer.show(snippet))`. */
import type { Snippet } from 'svelte';

class Footer {
  content = $state.raw<Snippet | null>(null);

  /** Shows a snippet until the returned function is called. */
  show(content: Snippet): () => void {
    this.content = content;
    return () => {
      if (this.content === content) this.content = null;
    };
  }
}

export const footer = new Footer();
