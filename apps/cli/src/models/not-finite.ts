import { closeSync, openSync, readSync } from 'node:fs';

/** A tensor in its safetensors file. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: string;
  /** Bytes [from, to) of the file. */
  readonly from: number;
  readonly to: number;
}

/**
 * By type, the exponents' bits in a word of 32, and one in the last place of each. An exponent of ones alone is NaN or infinite, and it
 * alone, with that one added, reaches the place of the sign.
 */
const EXPONENTS: Readonly<Record<string, readonly [mask: number, one: number]>> = {
  F32: [0x7f80_0000, 0x0080_0000],
  BF16: [0x7f80_7f80, 0x0080_0080],
  F16: [0x7c00_7c00, 0x0400_0400],
};
const SIGNS = 0x8000_8000;

/** Stays in a core's own cache. */
const PIECE_BYTES = 1 << 20;

/** Name of the first tensor with numbers that are NaN or infinite; null where there is none. */
export function findNotFinite(path: string, tensors: readonly StoredTensor[]): string | null {
  const words = new Int32Array(PIECE_BYTES / 4);
  const bytes = new Uint8Array(words.buffer);
  const file = openSync(path, 'r');
  try {
    for (const { name, dtype, from, to } of [...tensors].sort((a, b) => a.from - b.from)) {
      const [mask, one] = EXPONENTS[dtype] ?? [0, 0];
      for (let at = from; at < to; at += PIECE_BYTES) {
        const size = Math.min(PIECE_BYTES, to - at);
        const count = Math.ceil(size / 4);
        fill(file, bytes.subarray(0, size), at);
        bytes.fill(0, size, 4 * count);
        if (hasNotFinite(words, count, mask, one)) return name;
      }
    }
    return null;
  } finally {
    closeSync(file);
  }
}

function fill(file: number, bytes: Uint8Array, at: number): void {
  for (let filled = 0; filled < bytes.length;) {
    const read = readSync(file, bytes, filled, bytes.length - filled, at + filled);
    if (read === 0)
      throw new Error('A weight file ended while it was read; see that nothing writes it, then try again.');
    filled += read;
  }
}

function hasNotFinite(words: Int32Array, count: number, mask: number, one: number): boolean {
  let reached = 0;
  for (let i = 0; i < count; i++) reached |= ((words[i] as number) & mask) + one;
  return (reached & SIGNS) !== 0;
}
