// @vitest-environment node
/** Prompts with their variables filled in. */
import { expect, test } from 'vitest';
import { filled, startingValues } from './filling';

test('variables are filled in once, and those without a value stay and are told', () => {
  const values = { topic: '{{tone}}', tone: 'dry', $1: 'no' };
  expect(filled('On {{topic}}, {{ tone }}, for {{who}} and {{who}}.', values)).toEqual({
    text: 'On {{tone}}, dry, for {{who}} and {{who}}.',
    missing: ['who'],
  });
  expect(filled('{{constructor}} {{9}} {topic}', {}).missing).toEqual(['constructor']);
});

test('defaults are what stands there at first', () => {
  const variables = [
    { name: 'topic', description: '', default: 'bees' },
    { name: 'who', description: '', default: null },
  ];
  expect(startingValues(variables)).toEqual({ topic: 'bees', who: '' });
});
