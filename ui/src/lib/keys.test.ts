/** Shortcuts: pairs before single keys, nothing while a text is typed, nothing single where that is turned off. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keys, shownKeys, type Command } from './keys.svelte';
import { look } from './stores/look.svelte';

let pressed: string[] = [];
let stop = (): void => {};

function command(id: string, more: Partial<Command> = {}): Command {
  return { id, title: id, group: 'test', keys: id, run: () => pressed.push(id), ...more };
}

function press(key: string, target: EventTarget = document.body, more: KeyboardEventInit = {}): void {
  target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }));
}

beforeEach(async () => {
  pressed = [];
  look.setSingleKeys(true);
  stop = keys.offer([
    command('g l'),
    command('l'),
    command('?'),
    command('mod+Enter', { typing: true }),
    command('x', { when: () => false }),
  ]);
  await Promise.resolve();
});
afterEach(() => stop());

test('a pair is found before the second key alone, whoever was offered last', () => {
  press('g');
  press('l');
  press('l');
  expect(pressed).toEqual(['g l', 'l']);
});

test('a text that is being typed keeps its keys, but for those that say otherwise', () => {
  const field = document.createElement('textarea');
  document.body.append(field);
  press('l', field);
  press('Enter', field, { ctrlKey: true });
  field.remove();
  expect(pressed).toEqual(['mod+Enter']);
});

test('single keys can be turned off, all of them', () => {
  look.setSingleKeys(false);
  for (const key of ['g', 'l', '?']) press(key);
  press('Enter', document.body, { ctrlKey: true });
  expect(pressed).toEqual(['mod+Enter']);
});

test('a command that does not apply now leaves its key to the browser', () => {
  const event = new KeyboardEvent('keydown', { key: 'x', bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
  expect(event.defaultPrevented).toBe(false);
});

test('keys are told as they are labelled', () => {
  expect(shownKeys('mod+k')).toEqual(['Ctrl', 'K']);
  expect(shownKeys('g t')).toEqual(['g', 't']);
});
