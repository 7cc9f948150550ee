/** What the timeline of a run shows at this moment: its rows, the part of time in view, and what is selected. */
import { router } from '$lib/router.svelte';
import type { Trace } from '$lib/stores/trace.svelte';
import type { TimelineSpan } from '$types/trace';
import { Axis, idleGaps, type Stretch } from './axis';
import type { Frame } from './bars';
import { COLOURINGS, figureOf, type Colouring } from './figures';
import { distinct, filterOf, found, isFailure, type Filter } from './filter';
import {
  isClosed,
  isGroup,
  openTo,
  placesOf,
  revealed,
  rowAbove,
  rowPlace,
  treeOf,
  turn,
  visibleRows,
  type Folding,
} from './tree';
import { around, bounded, isWhole, moved, readStretch, whole, written, zoomed, type View } from './viewport';

/** How high a row is (pixels). */
export const ROW = 24;
/** A view that is changed again within this time is one step of the way back (milliseconds). */
const ONE_STEP = 600;
const MOST_STEPS = 50;

export class Board {
  /** Milliseconds since the run began. */
  now = $state(0);
  /** How wide the tracks are (pixels). */
  width = $state(800);
  folding = $state.raw<Folding>(openTo(null));
  follows = $state(true);
  /** How many steps have begun since the newest were no longer followed. */
  fresh = $state(0);
  range = $state.raw<Stretch | null>(null);
  /** The row that the keys act on. */
  active = $state('');
  #stretch = $state.raw<Stretch | null>(null);
  #room = $state(1000);
  #before: (Stretch | null)[] = [];
  #since = -Infinity;
  /** The part of time in the address as this board read or wrote it last. */
  #address: string | null;
  #writing: ReturnType<typeof setTimeout> | undefined;

  readonly #filterText = $derived(JSON.stringify(filterOf(router.query)));
  readonly filter = $derived(JSON.parse(this.#filterText) as Filter);
  readonly critical = $derived(router.query.crit !== '0');
  readonly hides = $derived(router.query.hide === '1');
  readonly tree = $derived.by(() => treeOf(this.trace.spans));
  readonly collapses = $derived.by(() => router.query.idle === '1' && !this.trace.lives);
  readonly colouring = $derived<Colouring>(
    COLOURINGS.find((each) => each === router.query.colour) ?? 'status',
  );
  /** The largest of the figures by which bars are coloured. */
  readonly largest = $derived.by(() => {
    const by = this.colouring;
    if (by === 'status' || by === 'kind' || by === 'agent') return 0;
    const { spans, last } = this.tree;
    const figures = (span: TimelineSpan, at: number) =>
      (last[at] as number) > at + 1 && by !== 'self'
        ? 0
        : figureOf(span, by, this.trace.lives ? this.extent : 0);
    return spans.reduce((most, span, at) => Math.max(most, figures(span, at)), 0);
  });
  readonly #known = $derived(this.filter.least > 0 ? this.now : 0);
  /** Which steps the filter finds; null when it leaves nothing out. */
  readonly marks = $derived(found(this.tree, this.filter, this.#known));
  readonly rows = $derived(visibleRows(this.tree, this.folding, this.hides ? this.marks : null));
  readonly #ended = $derived.by(() => Math.max(this.trace.spans.length ? this.trace.now() : 0, 0.1));
  readonly extent = $derived.by(() => (this.trace.lives ? this.#room : this.#ended));
  readonly axis = $derived(new Axis(this.extent, this.collapses ? idleGaps(this.tree, this.extent) : []));
  readonly view = $derived<View>(
    this.#stretch
      ? bounded(
          { from: this.axis.place(this.#stretch.from), to: this.axis.place(this.#stretch.to) },
          this.axis.length,
        )
      : whole(this.axis.length),
  );
  readonly frame = $derived<Frame>({ axis: this.axis, view: this.view, width: this.width, now: this.now });
  readonly isZoomed = $derived(this.#stretch !== null);
  readonly selected = $derived(router.query.span ?? '');
  readonly activePlace = $derived(this.#rowPlace(this.active || this.selected));
  readonly matched = $derived.by(() => this.marks?.reduce((sum, mark) => sum + mark, 0) ?? 0);
  /** The places of the operations that decided the run's end, in their order. */
  readonly path = $derived.by(() => placesOf(this.tree, this.trace.summary.critical_path));
  /** The rows that show them, -1 for one that is closed or hidden. */
  readonly pathRows = $derived.by(() => Int32Array.from(this.path, (place) => this.rowOf(place)));
  readonly agents = $derived.by(() => distinct(this.trace.spans.map((each) => each.agent ?? '')));
  readonly kinds = $derived.by(() => distinct(this.trace.spans.map((each) => each.kind)));

  constructor(readonly trace: Trace) {
    this.#address = router.query.t ?? null;
    this.#stretch = readStretch(router.query.t);
    if (this.#stretch) this.follows = false;
  }

  /** Takes the part of time from the address when it has changed there: by a link, or the way back. */
  readAddress(): void {
    const t = router.query.t ?? null;
    if (t === this.#address) return;
    clearTimeout(this.#writing);
    this.#address = t;
    this.#keep();
    this.#stretch = readStretch(t ?? undefined);
    if (this.#stretch) this.follows = false;
  }

  /** Moves the clock of a live run on; the axis gets more room in steps, so that it does not creep. */
  tick(): void {
    this.now = this.trace.now();
    if (!this.trace.lives) return;
    if (this.now > this.#room * 0.94 || this.now < this.#room * 0.35)
      this.#room = Math.max(this.now * 1.35, 1000);
    if (this.follows && this.#stretch && this.now > this.#stretch.to) {
      const long = this.#stretch.to - this.#stretch.from;
      this.#stretch = { from: this.now - long * 0.85, to: this.now + long * 0.15 };
    }
  }

  // -- time ------------------------------------------------------------------------------------------------------------

  /** Zooms by a factor around a share of the view. */
  zoom(factor: number, share = 0.5): void {
    this.#show(zoomed(this.view, factor, share, this.axis.length));
  }

  move(share: number): void {
    this.#show(moved(this.view, share, this.axis.length));
  }

  /** Shows a part of the axis that was reached by dragging: it is one step of the way back. */
  drag(view: View): void {
    this.#show(bounded(view, this.axis.length));
  }

  fit(): void {
    this.#keep();
    this.#stretch = null;
    this.range = null;
    this.#write();
  }

  /** Shows a stretch of time (milliseconds) with a little room on both sides. */
  zoomTo(from: number, to: number): void {
    this.#since = -Infinity;
    this.#show(around(this.axis.place(from), this.axis.place(to), this.axis.length));
  }

  back(): void {
    const last = this.#before.pop();
    if (last === undefined) return;
    this.#stretch = last;
    this.#since = -Infinity;
    this.#write();
  }

  #show(view: View): void {
    this.#keep();
    const { axis } = this;
    this.#stretch = isWhole(view, axis.length)
      ? null
      : { from: axis.time(view.from), to: axis.time(view.to) };
    if (this.#stretch && this.now > this.#stretch.to) this.follows = false;
    this.#write();
  }

  #keep(): void {
    if (performance.now() - this.#since > ONE_STEP) {
      this.#before.push(this.#stretch);
      if (this.#before.length > MOST_STEPS) this.#before.shift();
    }
    this.#since = performance.now();
  }

  #write(): void {
    clearTimeout(this.#writing);
    this.#writing = setTimeout(() => {
      const t = this.#stretch && written(this.#stretch.from, this.#stretch.to);
      this.#address = t;
      if (t !== (router.query.t ?? null)) router.set({ t });
    }, 300);
  }

  /** Forgets what has not been written to the address yet: another view is shown. */
  leave(): void {
    clearTimeout(this.#writing);
  }

  // -- rows ------------------------------------------------------------------------------------------------------------

  spanAt(place: number): TimelineSpan | undefined {
    return this.tree.spans[place];
  }

  #rowPlace(path: string): number {
    return rowPlace(this.tree, path);
  }

  /** Returns the place of the step that began last, -1 when none has. */
  newest(): number {
    let place = -1;
    let begun = -1;
    this.tree.spans.forEach((span, at) => {
      if (span.start_ms !== null && span.start_ms >= begun) [place, begun] = [at, span.start_ms];
    });
    return place;
  }

  /** Returns which row shows a place of the tree, -1 when it is closed or hidden. */
  rowOf(place: number): number {
    let low = 0;
    const { rows } = this;
    let high = rows.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const there = rows[middle] as number;
      if (there === place) return middle;
      if (there < place) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  isClosed(place: number): boolean {
    return !(this.hides && this.marks) && isClosed(this.tree, place, this.folding);
  }

  /** Opens or closes a row; with `wholly` everything below it, too. */
  turn(place: number, wholly = false): void {
    if (isGroup(this.tree, place)) this.folding = turn(this.tree, place, this.folding, wholly);
  }

  /** Shows so many levels; null shows all. */
  showLevels(levels: number | null): void {
    this.folding = openTo(levels);
  }

  /** Makes a row the active one: opens what is above it, and selects it when details are shown. */
  activate(place: number, select = false): void {
    const span = this.spanAt(place);
    if (!span) return;
    if (this.rowOf(place) < 0) this.folding = revealed(this.tree, place, this.folding);
    this.active = span.path;
    if (select || this.selected) router.set({ span: span.path });
  }

  /** Goes to the row so many rows further. */
  step(by: number): void {
    const here = this.rowOf(this.activePlace);
    const last = this.rows.length - 1;
    const to = here < 0 ? (by > 0 ? 0 : last) : Math.min(Math.max(here + by, 0), last);
    const place = this.rows[to];
    if (place !== undefined) this.activate(place);
  }

  /** Closes the active row, or goes to the one above it. */
  stepOut(): void {
    const place = this.activePlace;
    if (place < 0) return;
    if (isGroup(this.tree, place) && !this.isClosed(place)) this.turn(place);
    else this.activate(rowAbove(this.tree, place));
  }

  /** Opens the active row, or goes to the first one below it. */
  stepIn(): void {
    const place = this.activePlace;
    if (place < 0 || !isGroup(this.tree, place)) return;
    if (this.isClosed(place)) this.turn(place);
    else this.step(1);
  }

  /** Goes to the next row that failed (or the one before), around the end; says whether there is any. */
  toError(by: 1 | -1): boolean {
    return this.#toNext(by, this.#failed());
  }

  toMatch(by: 1 | -1): boolean {
    const found: number[] = [];
    this.marks?.forEach((mark, place) => {
      if (mark) found.push(place);
    });
    return this.#toNext(by, found);
  }

  #failed(): number[] {
    const { tree } = this;
    const told = new Uint8Array(tree.spans.length);
    const found: number[] = [];
    for (let place = tree.spans.length - 1; place >= 0; place--) {
      const span = tree.spans[place];
      if (!span || !isFailure(span)) continue;
      if (!told[place]) found.push(place);
      const above = tree.parent[place] as number;
      if (above >= 0) told[above] = 1;
    }
    return found.reverse();
  }

  #toNext(by: 1 | -1, places: readonly number[]): boolean {
    const here = this.activePlace;
    const next =
      by > 0
        ? (places.find((place) => place > here) ?? places[0])
        : (places.findLast((place) => place < here) ?? places.at(-1));
    if (next === undefined) return false;
    this.activate(rowPlace(this.tree, this.tree.spans[next]?.path ?? ''), true);
    return true;
  }
}
