import { expect, test } from 'vitest';
import { encodeFrame, FrameError, FrameReader } from './frames.ts';

const bytesOf = (...messages: readonly unknown[]): Buffer => Buffer.concat(messages.flatMap(encodeFrame));
const read = (bytes: Uint8Array): unknown[] => new FrameReader().push(bytes);
/** By hand, as the other side may write it. */
const frame = (json: string, binary: Uint8Array = new Uint8Array()): Buffer => {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(Buffer.byteLength(json), 0);
  header.writeUInt32LE(binary.byteLength, 4);
  return Buffer.concat([header, Buffer.from(json), binary]);
};

const message = {
  id: 7,
  task: 'score',
  absent: undefined,
  text: 'Zürich \u{1F600}',
  trees: [
    { prompt: Int32Array.of(1, -2, 3), branches: [Int32Array.of(2 ** 31 - 1), new Int32Array()] },
    { prompt: Int32Array.of(5), branches: [] },
  ],
  logps: [Float32Array.of(0.1, -Infinity, NaN), Float64Array.of(Math.PI)],
  nothing: null,
};

test('what is sent comes out as it was: nested arrays of each kind, empty ones, numbers that JSON lacks, text', () => {
  const [received] = read(bytesOf(message));
  const { absent: _, ...present } = message;
  expect(received).toEqual(present);
  expect(received).not.toHaveProperty('absent');
});

test('the layout is that of the contract: two lengths, JSON, arrays that begin at multiples of 8', () => {
  const bytes = bytesOf({ a: Int32Array.of(1, 2, 3), b: Float64Array.of(0.5) });
  const json = bytes.subarray(8, 8 + bytes.readUInt32LE(0)).toString();
  expect(json).toBe('{"a":{"$array":["int32",0,3]},"b":{"$array":["float64",16,1]}}');
  expect(bytes.readUInt32LE(4)).toBe(24);
  const binary = bytes.subarray(8 + json.length);
  expect(binary.length).toBe(24);
  expect([binary.readInt32LE(8), binary.readInt32LE(12), binary.readDoubleLE(16)]).toEqual([3, 0, 0.5]);
});

test('several messages are read, however the bytes are cut, and each as soon as it is complete', () => {
  const { absent: _, ...present } = message;
  const bytes = bytesOf(message, { kind: 'state' }, message);
  for (const size of [1, 2, 3, 7, 8, 9, 64, bytes.length]) {
    const reader = new FrameReader();
    const received: unknown[] = [];
    for (let at = 0; at < bytes.length; at += size) received.push(...reader.push(bytes.subarray(at, at + size)));
    expect(received, `cut every ${size}`).toEqual([present, { kind: 'state' }, present]);
    expect(reader.pendingBytes).toBe(0);
  }
  const reader = new FrameReader();
  const one = bytesOf({ kind: 'state' });
  expect(reader.push(one.subarray(0, -1))).toEqual([]);
  expect(reader.pendingBytes).toBe(one.length - 1);
  expect(reader.push(one.subarray(-1))).toEqual([{ kind: 'state' }]);
});

test('an array that is a part of a larger one is sent alone, and comes with memory of its own', () => {
  const whole = Float32Array.of(1, 2, 3, 4);
  const [{ part, other }] = read(bytesOf({ part: whole.subarray(1, 3), other: whole.subarray(0, 1) })) as [
    { part: Float32Array; other: Float32Array },
  ];
  expect([...part]).toEqual([2, 3]);
  expect(part.buffer.byteLength).toBe(8);
  expect(part.buffer).not.toBe(other.buffer);
});

test.each([
  ['an array of another kind', { a: new BigInt64Array(1) }, /"a" is an array of a kind/],
  ['bytes', { a: new Uint8Array(3) }, /"a" is an array of a kind/],
  ['a number that JSON lacks', { loss: NaN }, /"loss" is NaN/],
])('%s is refused, not sent as something else', (_, given, reason) => {
  expect(() => encodeFrame(given)).toThrow(FrameError);
  expect(() => encodeFrame(given)).toThrow(reason);
});

test.each([
  ['what is no JSON', frame('{"loss":NaN}'), /no JSON/],
  ['text', Buffer.from('Traceback (most recent call last)'), /of JSON is none/],
  ['an array of an unknown kind', frame('{"a":{"$array":["float16",0,1]}}', new Uint8Array(8)), /is of float16/],
  ['an array outside its message', frame('{"a":{"$array":["int32",4,2]}}', new Uint8Array(8)), /outside its message/],
  ['an array without a place', frame('{"a":{"$array":3}}'), /is of undefined/],
  ['a length that is no count', frame('{"a":{"$array":["int32",0,-1]}}', new Uint8Array(8)), /outside its message/],
])('%s is an error by name', (_, bytes, reason) => {
  expect(() => read(bytes)).toThrow(FrameError);
  expect(() => read(bytes)).toThrow(reason);
});
