import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FiniteWeights, type WeightFile } from './finite-weights.ts';
import { findNotFinite } from './not-finite.ts';

const folder = mkdtempSync(join(tmpdir(), 'solopo-finite-'));
afterAll(() => rmSync(folder, { recursive: true }));

const WIDTHS = { F32: 4, BF16: 2, F16: 2 };
type Dtype = keyof typeof WIDTHS;
/** Bits of the largest finite number, minus the smallest normal one, and what is not finite. */
const BITS: Readonly<Record<Dtype, { readonly finite: readonly number[]; readonly not: readonly number[] }>> = {
  F32: { finite: [0x7f7fffff, 0x80800000, 0, 0x00000001], not: [0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001] },
  BF16: { finite: [0x7f7f, 0x8080, 0, 0x0001], not: [0x7f80, 0xff80, 0x7fc0, 0xff81] },
  F16: { finite: [0x7bff, 0x8400, 0, 0x0001], not: [0x7c00, 0xfc00, 0x7e00, 0xfc01] },
};

/** Tensors one behind the other, behind some bytes that are no numbers. */
function fileOf(
  name: string,
  tensors: readonly (readonly [name: string, Dtype, bits: readonly number[]])[],
): WeightFile {
  const header = Buffer.alloc(10, 0xff);
  const parts = tensors.map(([, dtype, bits]) => {
    const bytes = Buffer.alloc(bits.length * WIDTHS[dtype]);
    bits.forEach((word, i) => (dtype === 'F32' ? bytes.writeUInt32LE(word, 4 * i) : bytes.writeUInt16LE(word, 2 * i)));
    return bytes;
  });
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([header, ...parts, header]));
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, { length }) => sum + length, header.length));
  return {
    path,
    tensors: tensors.map(([tensor, dtype], i) => {
      const from = starts[i] as number;
      return { name: tensor, dtype, from, to: from + (parts[i] as Buffer).length };
    }),
  };
}

/** More than a piece, and no whole number of words of 32 bits. */
const MANY = 600_001;

describe('weights', () => {
  it.each(Object.keys(BITS) as Dtype[])('of type %s are found not to be finite, whichever number it is', (dtype) => {
    const { finite, not } = BITS[dtype];
    const fine = Array.from({ length: MANY }, (_, i) => finite[i % finite.length] as number);
    const all = fileOf(`${dtype} fine`, [['fine', dtype, fine]]);
    expect(findNotFinite(all.path, all.tensors)).toBeNull();
    for (const [i, bits] of not.entries())
      for (const place of i === 0 ? [0, 300_001, MANY - 1] : [i]) {
        const bad = fine.with(place, bits);
        const { path, tensors } = fileOf(`${dtype} bad`, [
          ['a', dtype, finite],
          ['b', dtype, bad],
          ['c', dtype, not],
        ]);
        expect(findNotFinite(path, tensors), `${bits.toString(16)} at ${place}`).toBe('b');
      }
  });

  it('are read beside the thread that asks, file by file', async () => {
    const files = [
      fileOf('first', [['fine', 'BF16', BITS.BF16.finite]]),
      fileOf('second', [['bad', 'F32', [0, 0x7fc00000]]]),
    ] as const;
    const weights = new FiniteWeights(files);
    expect(await weights.of(files[1].path)).toBe('bad');
    expect(await weights.of(files[0].path)).toBeNull();
    await weights.close();
  });
});
