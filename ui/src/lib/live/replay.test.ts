/** What was told before is read piece by piece, wherever it was cut. */
import { afterEach, expect, test, vi } from 'vitest';
import { EventReader, replay } from './replay';

const TEXT =
  'retry: 1000\n\nid: 1.1.0\nevent: workflow_stream\ndata: {"a":1}\n\n:\n\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\n';

afterEach(() => vi.restoreAllMocks());

test.each([1, 2, 3, 7, 1000])('events are whole although they come in pieces of %i', (size) => {
  const reader = new EventReader();
  const found = [];
  for (let place = 0; place < TEXT.length; place += size)
    found.push(...reader.take(TEXT.slice(place, place + size)));
  expect(found).toEqual([
    ['workflow_stream', '{"a":1}'],
    ['x', '1\n2'],
  ]);
});

test('the events of an execution are handed on in their order', async () => {
  const asked = vi
    .spyOn(globalThis, 'fetch')
    .mockResolvedValue(new Response(TEXT.replace('1\r\ndata: 2', '[]')));
  const told: unknown[] = [];
  await replay('w', 3, (name, data) => told.push([name, data]));
  expect(told).toEqual([
    ['workflow_stream', { a: 1 }],
    ['x', []],
  ]);
  expect(asked.mock.calls[0]?.[0]).toContain('/api/workflows/w/events?after=3.0.0&follow=false');
});

test('a server that refuses is told as an error', async () => {
  vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response('', { status: 503 }));
  await expect(replay('w', 3, () => {})).rejects.toMatchObject({ status: 503 });
});
