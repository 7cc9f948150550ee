// @vitest-environment node
import { describe, expect, it } from 'vitest';
import { fit, ranked } from './ranking';

describe('ranking', () => {
  it('finds words in any order and folds case and accents', () => {
    expect(fit('reglages memoire', 'Réglages : Mémoire')).toBeGreaterThan(0);
    expect(fit('memoire reglages', 'Réglages : Mémoire')).toBeGreaterThan(0);
    expect(fit('memoire prix', 'Réglages : Mémoire')).toBe(0);
  });

  it('puts what begins with the word before what only holds it', () => {
    const all = ['Restart the plan', 'Plan', 'Explanations'];
    expect(ranked('plan', all, (each) => each, 9)).toEqual(['Plan', 'Restart the plan', 'Explanations']);
  });

  it('gives the first ones in their order when nothing is typed', () => {
    expect(ranked(' ', ['b', 'a', 'c'], (each) => each, 2)).toEqual(['b', 'a']);
  });
});
