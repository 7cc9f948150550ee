/** That units are told in the language in force. */
import { afterEach, expect, test } from 'vitest';
import { bytes, duration } from './format';
import { look } from './stores/look.svelte';

afterEach(() => look.setLocale('en'));
const TIMES = [125_000, 11_040_000, 183_600_000];

test('English has m, d and B, French has min, j and o', () => {
  look.setLocale('en');
  expect(TIMES.map(duration)).toEqual(['2 m 05 s', '3 h 04 m', '2 d 3 h']);
  expect([bytes(812), bytes(4100), bytes(10_000_000)]).toEqual(['812 B', '4.1 kB', '10 MB']);
  look.setLocale('fr');
  expect(TIMES.map(duration)).toEqual(['2 min 05 s', '3 h 04 min', '2 j 3 h']);
  expect([bytes(812), bytes(4100), bytes(10_000_000)]).toEqual(['812 o', '4,1 ko', '10 Mo']);
});
