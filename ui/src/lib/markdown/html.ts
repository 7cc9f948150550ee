/** Turns one block of Markdown into HTML that can do nothing: three layers, each of which would suffice. */
import DOMPurify from 'dompurify';
import { Lexer, Parser, Renderer, type Links, type MarkedOptions, type Tokens } from 'marked';
import { tamed, visible } from './taming';

/** Blocks with more characters are shown as they were written (characters). */
export const LONGEST_BLOCK = 10_000;

/** What the text needs to say that the model did not write. */
export interface MarkdownWords {
  done: string;
  open: string;
  picture: string;
}

const TAGS = [
  ...['a', 'b', 'blockquote', 'br', 'code', 'del', 'div', 'em', 'h3', 'hr', 'i', 'ins', 'kbd', 'li', 'mark'],
  ...['ol', 'p', 'pre', 's', 'small', 'span', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'th', 'thead'],
  ...['tr', 'u', 'ul'],
];
const ATTRIBUTES = ['rel', 'target', 'title', 'class', 'start', 'align', 'role', 'aria-label', 'dir'];
const HARMLESS = /^<\/?(?:b|br|del|em|i|ins|kbd|mark|s|small|strong|sub|sup|u)\s*\/?>$/i;
const WEB = /^(?:https?|mailto):/i;

/** Escapes text so that it is shown as it is. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Where a link leads, if it may be followed: the web or a mailbox, and no name before the host. */
export function target(href: string): { href: string; host: string } | null {
  const trimmed = href.trim();
  if (!WEB.test(trimmed)) return null;
  try {
    const url = new URL(trimmed);
    if (url.protocol === 'mailto:')
      return { href: url.href, host: visible(decodeURIComponent(url.pathname)) };
    if (url.username || url.password || !url.hostname) return null;
    return { href: url.href, host: url.host };
  } catch {
    return null;
  }
}

function anchor(href: string, inner: string, plain: string): string {
  const found = target(href);
  if (!found) return `${inner}<span class="host"> (${escaped(href.slice(0, 200))})</span>`;
  const says = plain
    .trim()
    .toLowerCase()
    .replace(/^(?:https?:\/\/|mailto:)/, '')
    .split(/[/?#]/)[0];
  const told = says === found.host ? '' : `<span class="host"> (${escaped(found.host)})</span>`;
  const href_ = escaped(found.href);
  return `<a href="${href_}" title="${href_}" target="_blank" rel="noopener noreferrer nofollow">${inner}</a>${told}`;
}

class Careful extends Renderer {
  constructor(readonly words: MarkdownWords) {
    super();
  }

  override html({ raw, block }: Tokens.HTML | Tokens.Tag): string {
    if (HARMLESS.test(raw.trim())) return raw;
    return block ? `<p class="plain">${escaped(raw.trim())}</p>` : escaped(raw);
  }

  override heading({ tokens, depth }: Tokens.Heading): string {
    return `<h3 class="d${depth}">${this.parser.parseInline(tokens)}</h3>`;
  }

  override code({ text }: Tokens.Code): string {
    return `<pre><code>${escaped(text)}</code></pre>`;
  }

  override checkbox({ checked }: Tokens.Checkbox): string {
    const said = escaped(checked ? this.words.done : this.words.open);
    return `<span class="box${checked ? ' done' : ''}" role="img" aria-label="${said}"></span> `;
  }

  override table(token: Tokens.Table): string {
    return `<div class="table">${super.table(token)}</div>`;
  }

  override link({ href, tokens, text }: Tokens.Link): string {
    return anchor(href, this.parser.parseInline(tokens), text);
  }

  override image({ href, text }: Tokens.Image): string {
    const name = escaped(text || this.words.picture);
    return target(href)
      ? anchor(href, `<span class="picture">${name}</span>`, '')
      : `<span class="picture">${name}</span>`;
  }
}

/** Shows a text as it was written. */
export function plain(text: string): string {
  return `<p class="plain">${escaped(text)}</p>`;
}

function rendered(raw: string, links: Links, words: MarkdownWords): string {
  if (raw.length > LONGEST_BLOCK) return plain(raw);
  const options: MarkedOptions = { gfm: true, breaks: true, renderer: new Careful(words) };
  try {
    const lexer = new Lexer(options);
    Object.assign(lexer.tokens.links, links);
    return Parser.parse(lexer.lex(raw), options);
  } catch {
    return plain(raw);
  }
}

/**
 * Returns the HTML of a block of Markdown.
 *
 * Tags that the model wrote are text, except a few without attributes. What is left goes through the sanitiser with a
 * list of what may stand there; where that cannot work, everything is text. No picture is loaded: it becomes a link.
 */
export function toHtml(raw: string, words: MarkdownWords, links: Links = {}): string {
  if (!DOMPurify.isSupported) return plain(visible(raw));
  try {
    const clean = DOMPurify.sanitize(rendered(tamed(raw), links, words), {
      ALLOWED_TAGS: TAGS,
      ALLOWED_ATTR: ['href', ...ATTRIBUTES],
      ADD_URI_SAFE_ATTR: ATTRIBUTES,
      ALLOWED_URI_REGEXP: WEB,
      ALLOW_DATA_ATTR: false,
      ALLOW_ARIA_ATTR: false,
    });
    return visible(clean); // again: what was written as an entity is a character only now
  } catch {
    return plain(visible(raw));
  }
}

/** Returns the HTML of code that was coloured: spans with classes, nothing else. */
export function colouredHtml(html: string, code: string): string {
  if (!DOMPurify.isSupported) return escaped(code);
  try {
    return DOMPurify.sanitize(html, {
      ALLOWED_TAGS: ['span'],
      ALLOWED_ATTR: ['class'],
      ALLOW_DATA_ATTR: false,
      ALLOW_ARIA_ATTR: false,
    });
  } catch {
    return escaped(code);
  }
}
