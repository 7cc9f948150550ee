/** That the palette finds the steps of the run that is looked at, and goes to them. */
import { expect, it, vi } from 'vitest';
import { jumpsTo } from './jumping';
import { span } from './testing/made';

it('offers steps by their own names, the work of a call as the call, and not more than are searched', () => {
  const go = vi.fn();
  const spans = [
    span('agent', 0, 9),
    span('agent/mcp__files__read', 0, 9),
    span('agent/mcp__files__read/run', 0, 9),
  ];
  const found = jumpsTo(spans, 'Steps', go);
  expect(found.map((each) => each.title)).toEqual(['agent', 'read']);
  found[1]?.run();
  expect(go).toHaveBeenCalledWith('agent/mcp__files__read');
  const many = Array.from({ length: 3000 }, (_, at) => span(`agent/step[${at}]`, 0, 9));
  expect(jumpsTo(many, 'Steps', go)).toHaveLength(2000);
});
