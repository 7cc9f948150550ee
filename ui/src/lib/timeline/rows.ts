/** What the rows in sight show: names, bars, labels and the sentence that a screen reader says. */
import { duration, percent } from '$lib/format';
import { wordOfKind } from '$lib/i18n/kinds';
import type { timeline } from '$lib/i18n/timeline';
import { offered } from '$lib/names';
import type { TimelineSpan } from '$types/trace';
import { shapeOf, type RowShape } from './bars';
import { ROW, type Board } from './board.svelte';
import { agentColour, figureOf, kindColour, share, strength, type Colouring } from './figures';
import { lasted } from './filter';
import { isGroup, labelOf, mostAtOnce } from './tree';

type Words = ReturnType<typeof timeline>;

export interface RowModel {
  place: number;
  index: number;
  top: number;
  level: number;
  span: TimelineSpan;
  name: string;
  number: string;
  /** The server of a tool, empty for others. */
  server: string;
  /** What stands behind the name: how many ran at once, or how many are hidden. */
  note: string;
  shape: RowShape;
  closed: boolean;
  critical: boolean;
  dimmed: boolean;
  colour: string | null;
  sentence: string;
  /** What is told of a row that a pointer rests on: the sentence, and how much later it might have ended. */
  hint: string;
  when: string;
}

/** The models of rows that have been in sight, as long as nothing but the clock changes. */
export class RowModels {
  readonly #kept = new Map<number, RowModel>();

  constructor(
    readonly board: Board,
    readonly t: Words,
    readonly word: (status: string) => string,
  ) {}

  /** Returns the model of the row at an index; one whose bar does not grow any more is made once. */
  row(index: number): RowModel {
    const found = this.#kept.get(index);
    if (found) return found;
    const made = rowModel(this.board, index, this.t, this.word);
    if (isStill(this.board, made)) this.#kept.set(index, made);
    return made;
  }
}

function isStill({ tree }: Board, { place, span }: RowModel): boolean {
  const call = tree.spans[tree.outer[place] as number];
  return span.start_ms === null ? !call : span.end_ms !== null && (!call || call.end_ms !== null);
}

/** Returns the model of the row at an index. */
export function rowModel(board: Board, index: number, t: Words, word: (status: string) => string): RowModel {
  const { tree, trace } = board;
  const place = board.rows[index] as number;
  const span = tree.spans[place] as TimelineSpan;
  const { name: whole, number } = labelOf(tree, place);
  const { name, server } = offered(whole);
  const group = isGroup(tree, place);
  const leaf = !group;
  const isCritical = board.critical && span.critical && leaf;
  const isBottleneck = board.critical && trace.summary.bottleneck === span.path;
  const said = sentence(board, span, `${name}${number}${server && ` (${server})`}`, isCritical, t, word);
  return {
    place,
    index,
    top: index * ROW,
    level: (tree.depth[place] as number) + 1,
    span,
    name: name || span.path,
    number,
    server,
    note: group ? groupNote(board, place, t) : '',
    shape: shapeOf(tree, place, board.frame, labelText(board, span, isBottleneck, t)),
    closed: group && board.isClosed(place),
    critical: isCritical,
    dimmed: board.marks !== null && !board.marks[place],
    colour: colourBy(board, span, board.colouring),
    sentence: said,
    hint: span.slack_ms ? `${said}, ${t.slack(duration(span.slack_ms))}` : said,
    when: whenText(span, t),
  };
}

function groupNote(board: Board, place: number, t: Words): string {
  const most = mostAtOnce(board.tree, place, board.now);
  return most > 1 ? t.atOnce(most) : '';
}

/** Returns what stands beside a bar: how long it took, and what is remarkable about it. */
function labelText(board: Board, span: TimelineSpan, isBottleneck: boolean, t: Words): string {
  if (span.status === 'waiting') return t.needsAnswer;
  if (span.start_ms === null) return span.status === 'skipped' ? t.skipped : t.notStarted;
  const parts = [duration(lasted(span, board.now))];
  if (isBottleneck) parts.push(`${t.bottleneck} ${percent(board.trace.summary.bottleneck_share)}`);
  if (span.attempts > 1) parts.push(t.retries(span.attempts - 1));
  if (span.source && span.source !== 'run') parts.push(t.source(span.source));
  if (span.error) parts.push(span.error.length > 48 ? `${span.error.slice(0, 47)}…` : span.error);
  return parts.join(' · ');
}

function sentence(
  board: Board,
  span: TimelineSpan,
  name: string,
  isCritical: boolean,
  t: Words,
  word: (status: string) => string,
): string {
  const parts = [name || span.path, wordOfKind(span.kind), word(span.status).toLowerCase()];
  if (span.start_ms !== null) {
    const took = lasted(span, board.now);
    parts.push(duration(took), t.ofTotal(percent(share(took, board.trace.summary, board.now))));
  }
  if (isCritical) parts.push(t.onCritical);
  if (span.error) parts.push(span.error);
  return parts.filter(Boolean).join(', ');
}

function whenText(span: TimelineSpan, t: Words): string {
  if (span.start_ms === null) return t.notStarted;
  const from = duration(span.start_ms);
  return span.end_ms === null ? t.spanOpen(from) : t.span(from, duration(span.end_ms));
}

function colourBy(board: Board, span: TimelineSpan, by: Colouring): string | null {
  if (by === 'status') return null;
  if (by === 'kind') return kindColour(span.kind);
  if (by === 'agent') return agentColour(span.agent);
  return strength(figureOf(span, by, board.now), board.largest);
}
