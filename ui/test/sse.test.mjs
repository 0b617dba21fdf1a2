// The SSE parser takes any cut of a stream, and every way to end a line.
import assert from 'node:assert/strict';
import test from 'node:test';
import {load} from './load.mjs';

const {SseParser} = await load('sse.ts');

function parse(pieces) {
  const events = [];
  const parser = new SseParser(event => events.push(event));
  for (const piece of pieces) parser.push(piece);
  return events;
}

test('an event has its id, name and data', () => {
  assert.deepEqual(parse(['id: 7\nevent: x\ndata: a\n\n']), [{id: '7', event: 'x', data: 'a'}]);
});

test('data lines join, comments and unknown fields say nothing, one space is dropped', () => {
  assert.deepEqual(parse([': ping\ndata:  a\ndata:b\nretry: 3\nnonsense\n\n']), [{id: null, event: 'message', data: ' a\nb'}]);
});

test('an id belongs to its event alone, and an event without data is none', () => {
  assert.deepEqual(parse(['id: 1\n\ndata: x\n\n']), [{id: null, event: 'message', data: 'x'}]);
});

test('every cut of a stream gives the same events', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const text = [': hi', 'id: 1', 'data: {"a":"ü"}', '', 'data: two', 'data: lines', '', ''].join(end) + (end === '\r' ? '\n' : '');
    const whole = parse([text]);
    assert.equal(whole.length, 2);
    for (let cut = 1; cut < text.length; ++cut) {
      assert.deepEqual(parse([text.slice(0, cut), text.slice(cut)]), whole, `${JSON.stringify(end)} cut at ${cut}`);
    }
    assert.deepEqual(parse([...text]), whole);
  }
});

test('what has no end yet is no event', () => {
  assert.deepEqual(parse(['data: x\n']), []);
});
