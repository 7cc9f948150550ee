/** Cuts Markdown into its blocks as it grows: what is settled is not looked at again. */
import { Lexer, type Links, type Token } from 'marked';
import { tamed } from './taming';

/** A paragraph, a list or a table; code with its language; or what stands in a line too long to be read as anything. */
export interface Block {
  kind: 'text' | 'code' | 'plain';
  raw: string;
  /** What code says, without its fence. */
  code: string;
  /** The language of code, in small letters; empty when the fence names none. */
  language: string;
  /** Whether nothing can follow in it: false for code whose fence is still open. */
  closed: boolean;
}

/** How much is cut at once (characters): parsers of Markdown need the square of the length of some texts. */
export const WINDOW = 8_000;
/** How many definitions of links a text may have: each block is read with all of them. */
const MOST_LINKS = 500;
const FENCE = /^ {0,3}(`{3,}|~{3,})([^\n]*)(?:\n|$)/;

interface Piece {
  block: Block;
  /** How many characters of the text it is. */
  size: number;
}

/** Holds the blocks of one growing text. */
export class Blocks {
  #seen = '';
  #lines = 0;
  #tame = '';
  #settled: Block[] = [];
  #offset = 0;
  #moving: Block[] = [];
  links: Links = {};

  /** Takes the whole text as it is now, and returns its blocks; those settled before are the same objects. */
  grow(text: string): readonly Block[] {
    if (!text.startsWith(this.#seen)) this.#reset();
    this.#seen = text;
    const end = text.lastIndexOf('\n') + 1;
    if (end > this.#lines) {
      this.#tame += tamed(text.slice(this.#lines, end));
      this.#lines = end;
    }
    const found = this.#cut(this.#tame + tamed(text.slice(end)), this.#offset);
    // the last two may still change: a line below makes a heading of a paragraph, or goes on with a list
    const settled = Math.max(0, found.length - 2);
    for (const piece of found.slice(0, settled)) {
      this.#settled.push(this.#moving.find((each) => isSame(each, piece.block)) ?? piece.block);
      this.#offset += piece.size;
    }
    const before = this.#moving;
    const moving = found
      .slice(settled)
      .map(({ block }) => before.find((each) => isSame(each, block)) ?? block);
    this.#moving = moving;
    return [...this.#settled, ...moving].filter((block) => block.raw.trim() !== '');
  }

  #reset(): void {
    this.#seen = '';
    this.#lines = 0;
    this.#tame = '';
    this.#settled = [];
    this.#offset = 0;
    this.#moving = [];
    this.links = {};
  }

  #cut(text: string, from: number): Piece[] {
    const pieces: Piece[] = [];
    let place = from;
    let head = '';
    while (place < text.length) {
      const fenced = head ? null : fence(text, place);
      if (fenced) {
        pieces.push(fenced);
        place += fenced.size;
        continue;
      }
      const part = stretch(text, place);
      if (place > 0 && text[place - 1] !== '\n') {
        const line = part.slice(0, part.indexOf('\n') + 1 || part.length);
        const block: Block = { kind: 'plain', raw: line, code: '', language: '', closed: true };
        pieces.push({ block, size: line.length });
        place += line.length;
        continue;
      }
      const last = place + part.length === text.length;
      const kept = this.#ready(this.#lexed(head + part), last);
      for (const token of kept) {
        const size = token.raw.length - head.length;
        pieces.push({ block: asBlock(token), size });
        place += size;
        head = '';
      }
      const only = kept.at(-1);
      if (!last && kept.length === 1 && only?.type === 'table') head = headOf(only.raw);
    }
    return pieces;
  }

  /** Returns what of a stretch is cut for good: before code, and not the last two when more text follows. */
  #ready(tokens: readonly Token[], last: boolean): readonly Token[] {
    const code = tokens.findIndex(
      (token, place) => place > 0 && token.type === 'code' && FENCE.test(token.raw),
    );
    if (code > 0) return tokens.slice(0, code);
    return last || tokens.length <= 2 ? tokens : tokens.slice(0, -2);
  }

  /** Takes the definitions of links, as many as a text may have; one that is still being written changes. */
  #define(found: Links): void {
    let room = MOST_LINKS - Object.keys(this.links).length;
    const taken = Object.entries(found).filter(([name]) => Object.hasOwn(this.links, name) || room-- > 0);
    if (taken.length > 0) this.links = { ...this.links, ...Object.fromEntries(taken) };
  }

  #lexed(text: string): readonly Token[] {
    const lexer = new Lexer({ gfm: true });
    try {
      lexer.blockTokens(text, lexer.tokens);
    } catch {
      return [{ type: 'paragraph', raw: text }];
    }
    this.#define(lexer.tokens.links);
    const whole = lexer.tokens.reduce((sum, token) => sum + token.raw.length, 0);
    return whole === text.length ? lexer.tokens : [{ type: 'paragraph', raw: text }];
  }
}

function isSame(one: Block, other: Block): boolean {
  return one.raw === other.raw && one.kind === other.kind && one.closed === other.closed;
}

function asBlock(token: Token): Block {
  if (token.type === 'def') return { kind: 'plain', raw: '', code: '', language: '', closed: true };
  if (token.type !== 'code') return { kind: 'text', raw: token.raw, code: '', language: '', closed: true };
  const code = typeof token['text'] === 'string' ? token['text'] : token.raw;
  return { kind: 'code', raw: token.raw, code, language: '', closed: true };
}

/** Returns at most `WINDOW` characters that end with a line, if there is a line that ends. */
function stretch(text: string, place: number): string {
  if (text.length - place <= WINDOW) return text.slice(place);
  const end = text.lastIndexOf('\n', place + WINDOW) + 1;
  return end > place ? text.slice(place, end) : text.slice(place, place + WINDOW);
}

/** Returns the two lines with which a table begins, for the rows that are cut off it. */
function headOf(table: string): string {
  const second = table.indexOf('\n', table.indexOf('\n') + 1) + 1;
  return second > 0 && second < 1000 ? table.slice(0, second) : '';
}

/** Returns code that begins with a fence at a place, up to the fence that closes it or the end. */
function fence(text: string, place: number): Piece | null {
  const line = text.indexOf('\n', place);
  const opened = FENCE.exec(text.slice(place, line < 0 ? text.length : line + 1));
  const [whole, mark, said] = [opened?.[0], opened?.[1], opened?.[2] ?? ''];
  if (!whole || !mark || (mark.startsWith('`') && said.includes('`'))) return null;
  const closing = new RegExp(
    `^ {0,3}${mark.startsWith('`') ? '`' : '~'}{${mark.length},}[ \\t]*(?:\\n|$)`,
    'gm',
  );
  closing.lastIndex = place + whole.length;
  const found = whole.endsWith('\n') ? closing.exec(text) : null;
  const end = found ? found.index : text.length;
  const size = (found ? found.index + found[0].length : text.length) - place;
  const language = said.trim().split(/\s+/)[0]?.toLowerCase() ?? '';
  const code = text.slice(place + whole.length, end).replace(/\n$/, '');
  const block: Block = {
    kind: 'code',
    raw: text.slice(place, place + size),
    code,
    language,
    closed: found !== null,
  };
  return { block, size };
}

/** Returns the blocks of a finished text. */
export function blocks(text: string): readonly Block[] {
  return new Blocks().grow(text);
}
