/** That tools of servers and the work of calls are called alike everywhere. */
import { describe, expect, it } from 'vitest';
import { tail } from './logs/lines';
import { offered, shortName, shownName, wholeName } from './names';
import { pairsOf } from './runs/comparison';
import { span } from './timeline/testing/made';

describe('names', () => {
  it('tell a tool from the server that offers it', () => {
    expect(offered('mcp__filesystem__read_text_file')).toEqual({
      name: 'read_text_file',
      server: 'filesystem',
    });
    expect(offered('mcp__my_server__get__all')).toEqual({ name: 'get__all', server: 'my_server' });
    expect(offered('query_users')).toEqual({ name: 'query_users', server: '' });
    expect(offered('mcp__lonely')).toEqual({ name: 'mcp__lonely', server: '' });
    expect(shownName('mcp__files__read#2')).toBe('read#2');
    expect(wholeName('mcp__files__read')).toBe('files · read');
    expect(wholeName('read')).toBe('read');
  });

  it('call the work of a call like the call', () => {
    expect(shortName('run/tools/read#2/run')).toBe('read#2');
    expect(shortName('run')).toBe('run');
    expect(tail('agent/tools/mcp__files__read/run')).toBe('…/tools/read/run');
    const spans = [span('agent/mcp__files__read', 0, 9), span('agent/mcp__files__read/run', 0, 9)];
    expect(pairsOf(spans, spans, { first: 9, second: 9 }).map((pair) => pair.name)).toEqual(['read', 'read']);
  });
});
