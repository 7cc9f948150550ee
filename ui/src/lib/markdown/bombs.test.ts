// @vitest-environment node
/** What makes parsers slow or deep: each must be over quickly, and nothing may be thrown. */
import { describe, expect, it } from 'vitest';
import { blocks, WINDOW } from './blocks';
import { toHtml } from './html';

const WORDS = { done: 'done', open: 'open', picture: 'picture' };
/** More than is cut at once, so that every bomb goes over the edge of a stretch (characters). */
const N = WINDOW + 500;
const filled = (part: string) => part.repeat(Math.floor(N / part.length));
const BOMBS: Record<string, string> = {
  quotes: filled('>'),
  'quotes apart': filled('> '),
  'lists in lists': filled('- '),
  'numbered lists in lists': filled('1. '),
  'lists further and further': Array.from({ length: 150 }, (_, i) => `${' '.repeat(i)}- a`).join('\n'),
  'quotes and lists': filled('> - '),
  'quotes deeper by the line': Array.from({ length: 140 }, (_, i) => `${'>'.repeat(i + 1)} a`).join('\n'),
  'quote lines': filled('> a\n'),
  'lazy quotes': '>a\n' + filled('a\n'),
  brackets: filled('['),
  'brackets closed': filled('[') + ']',
  'brackets pairs': '['.repeat(N / 2) + ']'.repeat(N / 2),
  'links in links': filled('[a]('),
  'link without end': '[a](' + filled('('),
  'link backslashes': '[a](<' + filled('\\'),
  'link with spaces': '[a](b' + filled(' '),
  'pictures in pictures': filled('![a]('),
  'pictures open': filled('!['),
  stars: filled('*'),
  'stars apart': filled('*a '),
  'stars around': filled('*a **b '),
  'stars underscores': filled('*_'),
  'stars three': filled('***a** b* '),
  underscores: filled('_a '),
  tildes: filled('~~a '),
  backticks: Array.from({ length: 190 }, (_, i) => '`'.repeat(i + 1)).join(' '),
  'backticks apart': filled('`a``'),
  autolinks: filled('<a'),
  angles: filled('<'),
  comments: filled('<!--'),
  instructions: filled('<?'),
  cdata: filled('<![CDATA['),
  'tags open': filled('<a href="'),
  'tag of attributes': '<a ' + filled('a="b" '),
  addresses: filled('http://a.'),
  mails: filled('a@'),
  'mail dots': filled('a.') + '@',
  www: filled('www.a'),
  entities: filled('&'),
  backslashes: filled('\\'),
  'table wide': `${filled('|a')}|\n${'|-'.repeat(N / 2)}|\n|a|`,
  'table long': '|a|\n|-|\n' + filled('|a|\n'),
  'table of pipes': filled('|'),
  'table of dashes': '|a|\n' + filled('|-'),
  'setext lines': filled('a\n') + '=',
  dashes: filled('- - '),
  hashes: filled('#'),
  'heading ends': '# a' + filled(' #'),
  spaces: 'a' + filled(' ') + 'b',
  tabs: filled('\t'),
  'spaces at line ends': filled('a  \n'),
  breaks: filled('\n'),
  'list with blank lines': filled('- a\n\n'),
  'loose nested list': filled('- a\n\n  - b\n\n'),
  'list of one letter lines': '- a\n' + filled('b\n'),
  'definitions open': filled('[a]: '),
  definitions: Array.from({ length: 900 }, (_, i) => `[a${i}]: b`).join('\n'),
  'definitions and what uses them':
    Array.from({ length: 5_000 }, (_, i) => `[a${i}]: b\n`).join('') + '\n' + '[a1]\n\n'.repeat(300),
  'definition titles': '[a]: b "' + filled('a\n'),
  'references many': Array.from({ length: 900 }, (_, i) => `[a${i}]`).join(''),
  'fences open': filled('```\n'),
  'fence never closed': '```\n' + filled('a'),
  'one letter': filled('a'),
  'html block': '<div>\n' + filled('<div>'),
  'html pre': '<pre>\n' + filled('>'),
};

describe('a bomb', () => {
  for (const [name, text] of Object.entries(BOMBS))
    it(`of ${name} is over quickly`, () => {
      const began = performance.now();
      for (const { kind, raw } of blocks(text)) if (kind === 'text') toHtml(raw, WORDS);
      const took = performance.now() - began;
      expect(took).toBeLessThan(8_000);
    }, 10_000);
});
