import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BLOCK_TYPES } from './gguf-blocks.ts';

interface Recorded {
  readonly type: number;
  /** Base64 of the blocks, and of the float32 numbers that the gguf package makes of them. */
  readonly blocks: string;
  readonly numbers: string;
}

const recorded = JSON.parse(readFileSync(new URL('../fixtures/gguf-blocks.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Recorded>
>;

describe('blocks of every tensor type become the numbers of the gguf package, to the bit', () => {
  test.each(Object.entries(recorded))('%s', (name, { type, blocks, numbers }) => {
    const block = BLOCK_TYPES.get(type);
    if (!block) throw new Error(`${name} is not read`);
    expect(block.name).toBe(name);
    const bytes = Buffer.from(blocks, 'base64');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const count = bytes.length / block.bytes;
    const out = new Float32Array(count * block.size);
    for (let i = 0; i < count; i++) block.read(view, i * block.bytes, out, i * block.size);
    expect([...out]).toEqual([...float32s(numbers)]);
  });

  test('every type that is read is among them', () => {
    expect([...BLOCK_TYPES.keys()].sort()).toEqual(
      Object.values(recorded)
        .map(({ type }) => type)
        .sort(),
    );
  });
});

function float32s(base64: string): Float32Array {
  const bytes = Buffer.from(base64, 'base64');
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}
