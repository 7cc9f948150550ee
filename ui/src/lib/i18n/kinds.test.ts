/** Words for what a step is. */
import { afterEach, expect, test } from 'vitest';
import { look } from '$lib/stores/look.svelte';
import { wordOfKind } from './kinds';

afterEach(() => look.setLocale('en'));

test('a kind has a word in each language, and one that nobody knows its own name', () => {
  expect(['tool', 'brew', 'constructor'].map(wordOfKind)).toEqual(['tool', 'brew', 'constructor']);
  look.setLocale('fr');
  expect(['tool', 'brew', 'constructor'].map(wordOfKind)).toEqual(['outil', 'brew', 'constructor']);
});
