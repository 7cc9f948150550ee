// @vitest-environment node
/** That a tree which grows by updates is the one that is loaded at once. */
import { describe, expect, it } from 'vitest';
import { GrowingTree } from './growing';
import { span } from './testing/made';

const paths = (tree: GrowingTree) => tree.spans.map((each) => each.path);

describe('a growing tree', () => {
  it('puts new steps behind the siblings that began at the same time', () => {
    const tree = new GrowingTree();
    tree.load([span('a', 0, null), span('a/x', 0, 5), span('b', 3, null)]);
    tree.apply([span('a/y', 0, null), span('c', 1, null)]);
    expect(paths(tree)).toEqual(['a', 'a/x', 'a/y', 'c', 'b']);
  });

  it('replaces a step in its place, and moves one that begins', () => {
    const tree = new GrowingTree();
    tree.load([span('a', 0, 9), span('later', null, null), span('last', null, null)]);
    tree.apply([span('last', 2, null), span('a', 0, 10)]);
    expect(paths(tree)).toEqual(['a', 'last', 'later']);
    expect(tree.byPath.get('a')?.end_ms).toBe(10);
    expect(tree.spans[0]?.end_ms).toBe(10);
  });

  it('keeps what came before the step above it until that comes', () => {
    const tree = new GrowingTree();
    tree.apply([span('a/b/c', 2, 3)]);
    expect(paths(tree)).toEqual([]);
    tree.apply([span('a/b', 1, null), span('a', 0, null)]);
    expect(paths(tree)).toEqual(['a', 'a/b', 'a/b/c']);
  });

  it('is the same whichever way it came to be', () => {
    const all = [span('r', 0, 90)];
    for (let at = 0; at < 30; at++) {
      all.push(span(`r/g${at}`, at * 3, at * 3 + 2), span(`r/g${at}/leaf`, at * 3, at * 3 + 1));
    }
    const loaded = new GrowingTree();
    loaded.load(all);
    const grown = new GrowingTree();
    for (const each of all.toReversed()) grown.apply([each]);
    expect(paths(grown)).toEqual(paths(loaded));
  });
});
