/** Markdown as a person sees it, and what hostile text becomes: harmless, and never silently lost. */
import DOMPurify from 'dompurify';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { blocks, Blocks, WINDOW } from './blocks';
import { coloured, languageOf } from './colouring';
import { colouredHtml, escaped, target, toHtml } from './html';
import HOSTILE from './hostile.json';
import { DEEPEST, tamed, visible } from './taming';

const WORDS = { done: 'done', open: 'open', picture: 'picture' };
function shown(markdown: string): HTMLElement {
  const held = new Blocks();
  const found = held.grow(markdown);
  const element = document.createElement('div');
  element.innerHTML = found
    .map((each) =>
      each.kind !== 'text'
        ? `<pre>${escaped(each.kind === 'code' ? each.code : each.raw)}</pre>`
        : toHtml(each.raw, WORDS, held.links),
    )
    .join('');
  return element;
}
afterEach(() => vi.restoreAllMocks());

describe('Markdown', () => {
  it('has paragraphs, emphasis, lists, tables and quotes', () => {
    const page = shown('# Top\n\nA **b** *c* ~~d~~ `e`\n\n1. one\n2. two\n\n> said\n\n|a|b|\n|-|-:|\n|1|2|');
    expect(page.querySelector('h3.d1')?.textContent).toBe('Top');
    expect(page.querySelector('strong')?.textContent).toBe('b');
    expect(page.querySelectorAll('ol li')).toHaveLength(2);
    expect(page.querySelector('blockquote')?.textContent?.trim()).toBe('said');
    expect(page.querySelector('.table td[align=right]')?.textContent).toBe('2');
  });

  it('says of tasks whether they are done', () => {
    const page = shown('- [x] this\n- [ ] that');
    const boxes = [...page.querySelectorAll('[role=img]')].map((each) => each.getAttribute('aria-label'));
    expect(boxes).toEqual(['done', 'open']);
    expect(page.querySelector('input')).toBeNull();
  });

  it('shows where links lead', () => {
    const page = shown('[the bank](https://evil.example/login) and <https://good.example/a>');
    const [first, second] = [...page.querySelectorAll('a')];
    expect(first?.rel).toContain('noopener');
    expect(first?.target).toBe('_blank');
    expect(first?.nextElementSibling?.textContent).toBe(' (evil.example)');
    expect(second?.nextElementSibling).toBeNull();
  });

  it('makes a link of a picture, and loads none', () => {
    const page = shown('![a cat](https://pictures.example/cat.png) ![](data:image/png;base64,AAAA)');
    expect(page.querySelector('img')).toBeNull();
    expect(page.querySelector('a')?.textContent).toBe('a cat');
    expect(page.textContent).toContain('picture');
  });

  it('follows references that stand elsewhere in the text', () => {
    expect(shown('See [this][1].\n\n[1]: https://a.example/').querySelector('a')?.href).toBe(
      'https://a.example/',
    );
  });

  it('shows tags as they were written, except a few without attributes', () => {
    const page = shown('H<sub>2</sub>O <b onclick="x()">b</b>\n\n<div>block</div>');
    expect(page.querySelector('sub')?.textContent).toBe('2');
    expect(page.querySelector('b')).toBeNull();
    expect(page.textContent).toContain('<b onclick="x()">');
    expect(page.textContent).toContain('<div>block</div>');
  });
});

describe('hostile text', () => {
  for (const [name, text] of Object.entries(HOSTILE))
    it(`does nothing: ${name}`, () => {
      const page = shown(text);
      const allowed = new Set(
        [
          'A',
          'P',
          'SPAN',
          'DIV',
          'PRE',
          'CODE',
          'UL',
          'OL',
          'LI',
          'H3',
          'EM',
          'STRONG',
          'BLOCKQUOTE',
          'BR',
          'HR',
        ].concat([
          'TABLE',
          'THEAD',
          'TBODY',
          'TR',
          'TH',
          'TD',
          'DEL',
          'B',
          'SUB',
          'SUP',
          'MARK',
          'KBD',
          'I',
          'U',
          'S',
          'INS',
        ]),
      );
      for (const element of page.querySelectorAll('*')) {
        expect(allowed).toContain(element.tagName);
        for (const { name: attribute, value } of element.attributes) {
          expect([
            'href',
            'rel',
            'target',
            'title',
            'class',
            'role',
            'aria-label',
            'start',
            'align',
          ]).toContain(attribute);
          if (attribute === 'href') expect(value).toMatch(/^(?:https?:\/\/|mailto:)/);
        }
      }
      // eslint-disable-next-line no-control-regex -- none of these may be left
      expect(page.textContent).not.toMatch(/[\u0000\u202a-\u202e\u2066-\u2069]/);
    });

  it('shows hidden directions as their numbers, however they were written', () => {
    for (const text of ['&#x202E;gnp.exe', '&#8238;gnp.exe', '[&#x202E;gnp.exe](https://a.example)'])
      expect(shown(text).textContent).toContain('⟦U+202E⟧gnp.exe');
    expect(shown('[write](mailto:%E2%80%AEmoc.elpmaxe)').textContent).toContain('⟦U+202E⟧moc.elpmaxe');
    expect(shown('a \ud800 b').textContent).toBe('a \ufffd b\n');
  });

  it('is all text where the sanitiser fails', () => {
    vi.spyOn(DOMPurify, 'sanitize').mockImplementation(() => {
      throw new Error('it broke');
    });
    expect(toHtml('**a** \u202e<b>', WORDS)).toBe('<p class="plain">**a** ⟦U+202E⟧&lt;b&gt;</p>');
    expect(colouredHtml('<span>a</span>', 'a<b')).toBe('a&lt;b');
  });

  it('is all text where the sanitiser cannot work', () => {
    vi.spyOn(DOMPurify, 'isSupported', 'get').mockReturnValue(false);
    expect(toHtml('<b>**x**</b>', WORDS)).toBe('<p class="plain">&lt;b&gt;**x**&lt;/b&gt;</p>');
    expect(colouredHtml('<span>x</span>', '<x>')).toBe('&lt;x&gt;');
  });

  it('is all text when the parser breaks', () => {
    expect(toHtml('*'.repeat(10_001), WORDS)).toBe(`<p class="plain">${'*'.repeat(10_001)}</p>`);
  });

  it('leads to no address with a name before the host, and to no other scheme', () => {
    expect(target('https://bank.example@evil.example/')).toBeNull();
    expect(target(' javascript:alert(1)')).toBeNull();
    expect(target('//evil.example')).toBeNull();
    expect(target('https://')).toBeNull();
    expect(target('https://раураl.example/')?.host).toMatch(/^xn--/);
    expect(target('mailto:a@b.example')?.host).toBe('a@b.example');
  });

  it('shows what would turn the direction of text, and holes where nothing can be shown', () => {
    expect(visible('a\u202eb\u0000c\ud800')).toBe('a⟦U+202E⟧b\ufffdc\ufffd');
  });

  it('nests to a bound, and shows the rest as text', () => {
    const line = `${'> '.repeat(DEEPEST)}> x`;
    expect(tamed(line)).toBe(`${'> '.repeat(DEEPEST)}\\> x`);
    expect(tamed('> a\r\n- b')).toBe('> a\n- b');
    expect(shown('>'.repeat(3000)).querySelectorAll('blockquote').length).toBeLessThanOrEqual(DEEPEST);
  });
});

describe('growing text', () => {
  const text = [
    '# A heading\n\nA paragraph with **bold\ntext**.\n\n- one\n- two\n\n  more\n',
    '```python\nprint("x")\n\n# not a heading\n```\n\nTitle\n=====\n\n|a|b|\n|-|-|\n|1|2|\n\n',
    '~~~\nopen ``` inside\n~~~\n> quote\nlazy\n\n    indented\n\nend',
  ].join('');

  it('has the same blocks as the whole text, at whatever places it was cut', () => {
    const whole = blocks(text);
    for (const step of [1, 3, 7, 50]) {
      const held = new Blocks();
      let found: readonly unknown[] = [];
      for (let end = step; end < text.length + step; end += step) found = held.grow(text.slice(0, end));
      expect(found).toEqual(whole);
    }
  });

  it('keeps the blocks that are settled', () => {
    const held = new Blocks();
    const first = held.grow('one\n\ntwo\n\nthree\n\nfour')[0];
    expect(held.grow('one\n\ntwo\n\nthree\n\nfour\n\nfive')[0]).toBe(first);
  });

  it('begins anew with another text', () => {
    const held = new Blocks();
    held.grow('one\n\ntwo\n\nthree');
    expect(held.grow('else').map((block) => block.raw)).toEqual(['else']);
  });

  it('knows code before its fence is closed', () => {
    const held = new Blocks();
    expect(held.grow('```py')[0]).toMatchObject({ kind: 'code', closed: false });
    expect(held.grow('```py\na = 1')[0]).toMatchObject({
      kind: 'code',
      language: 'py',
      code: 'a = 1',
      closed: false,
    });
    expect(held.grow('```py\na = 1\n```')[0]).toMatchObject({ code: 'a = 1', closed: true });
    expect(held.grow('``` a`b ```')[0]).toMatchObject({ kind: 'text' });
  });

  it('cuts what is very long, and repeats the head of a table', () => {
    const rows = '|a row with words|2|\n'.repeat(1000);
    const found = blocks(`|x|y|\n|-|-|\n${rows}`);
    expect(found.length).toBeGreaterThan(1);
    expect(found.every((block) => block.raw.startsWith('|x|y|\n') && block.raw.length <= WINDOW + 20)).toBe(
      true,
    );
    expect(found.reduce((sum, block) => sum + (block.raw.match(/a row/g)?.length ?? 0), 0)).toBe(1000);
    const code = blocks('```\n' + 'x\n'.repeat(20_000) + '```');
    expect(code).toHaveLength(1);
  });

  it('passes a line of ten million characters on in parts', () => {
    const found = blocks('x'.repeat(1_000_000));
    expect(found.map((block) => block.raw).join('')).toHaveLength(1_000_000);
  });
});

describe('code', () => {
  it('is coloured in the languages that are known', async () => {
    expect(await coloured('x = 1  # a', 'py')).toContain('hljs-comment');
    expect(await coloured('x = 1  # a', 'py')).toContain('hljs-comment');
    expect(languageOf('constructor')).toBeNull();
    expect(await coloured('x', 'unheard-of')).toBeNull();
    expect(await coloured('x'.repeat(30_000), 'python')).toBeNull();
  });

  it('is harmless when it is coloured', () => {
    expect(colouredHtml('<span class="a" onclick="x">1</span><script>2</script>', '')).toBe(
      '<span class="a">1</span>',
    );
  });
});
