/** The steps of a run as they grow: updates replace what they name and put new steps in the order of the tree. */
import type { TimelineSpan } from '$types/trace';

interface Node {
  /** Null while only something below it has been told. */
  span: TimelineSpan | null;
  children: Node[];
  /** Where it stands in `spans`; kept while nothing new comes. */
  place: number;
}

/** Returns when a step began first: a resumed one keeps its place. */
function begun(node: Node): number {
  return node.span?.tries[0]?.start_ms ?? node.span?.start_ms ?? Infinity;
}

export class GrowingTree {
  readonly #byPath = new Map<string, TimelineSpan>();
  /** All steps, parents first, siblings by their start. */
  spans: readonly TimelineSpan[] = [];
  #root: Node = { span: null, children: [], place: -1 };
  readonly #nodes = new Map<string, Node>([['', this.#root]]);
  /** Whether what was loaded is known by its paths: of a run that has ended, few ask. */
  #known = true;

  /** All steps by their paths. */
  get byPath(): ReadonlyMap<string, TimelineSpan> {
    this.#know();
    return this.#byPath;
  }

  /** Begins anew with steps that are in the order of the tree. */
  load(spans: readonly TimelineSpan[]): void {
    this.spans = spans;
    this.#known = false;
  }

  #know(): void {
    if (this.#known) return;
    this.#known = true;
    const { spans } = this;
    this.#byPath.clear();
    this.#nodes.clear();
    this.#root = { span: null, children: [], place: -1 };
    this.#nodes.set('', this.#root);
    spans.forEach((span, place) => {
      this.#byPath.set(span.path, span);
      const node: Node = { span, children: [], place };
      const waiting = this.#nodes.get(span.path);
      if (waiting) node.children = waiting.children;
      this.#nodes.set(span.path, node);
      this.#above(span.parent).children.push(node);
    });
  }

  /** Takes the steps of an update; what an update says of a step takes the place of what was known. */
  apply(changed: readonly TimelineSpan[]): void {
    if (changed.length === 0) return;
    this.#know();
    const kept = this.spans.slice();
    let grown = false;
    for (const span of changed) {
      const node = this.#nodes.get(span.path);
      this.#byPath.set(span.path, span);
      if (node?.span) {
        const before = begun(node);
        node.span = span;
        kept[node.place] = span;
        if (begun(node) === before) continue;
        const siblings = this.#above(span.parent).children;
        siblings.splice(siblings.indexOf(node), 1);
        insert(siblings, node);
      } else if (node) {
        node.span = span;
        insert(this.#above(span.parent).children, node);
      } else {
        const made: Node = { span, children: [], place: -1 };
        this.#nodes.set(span.path, made);
        insert(this.#above(span.parent).children, made);
      }
      grown = true;
    }
    this.spans = grown ? this.#ordered() : kept;
  }

  #above(path: string): Node {
    const found = this.#nodes.get(path);
    if (found) return found;
    const made: Node = { span: null, children: [], place: -1 };
    this.#nodes.set(path, made);
    return made;
  }

  #ordered(): TimelineSpan[] {
    const found: TimelineSpan[] = [];
    const waiting = this.#root.children.toReversed();
    for (let node = waiting.pop(); node; node = waiting.pop()) {
      if (!node.span) continue;
      node.place = found.length;
      found.push(node.span);
      for (let at = node.children.length - 1; at >= 0; at--) {
        const child = node.children[at];
        if (child) waiting.push(child);
      }
    }
    return found;
  }
}

/** Puts a node behind its siblings that began at the same time. */
function insert(siblings: Node[], node: Node): void {
  let low = 0;
  let high = siblings.length;
  const at = begun(node);
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = siblings[middle];
    if (other && begun(other) <= at) low = middle + 1;
    else high = middle;
  }
  siblings.splice(low, 0, node);
}
