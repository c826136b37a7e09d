import { fromFloat16 } from '../float16.ts';

/**
 * A tensor type of GGUF: numbers come in blocks of a size, each block in so many bytes. Factors are float16 (11 bits of
 * fraction) and quantised numbers have at most 8, so every product but Q6_K's is exact in float32 and each number is rounded
 * once, as it is stored.
 */
export interface BlockType {
  readonly name: string;
  /** Numbers in a block, and bytes. */
  readonly size: number;
  readonly bytes: number;
  /** Puts the numbers of the block that begins at `from` where `out` begins at `to`. */
  readonly read: (block: DataView, from: number, out: Float32Array, to: number) => void;
}

const half = (block: DataView, at: number): number => fromFloat16(block.getUint16(at, true));

const F32: BlockType = {
  name: 'F32',
  size: 1,
  bytes: 4,
  read: (block, from, out, to) => {
    out[to] = block.getFloat32(from, true);
  },
};

const F16: BlockType = {
  name: 'F16',
  size: 1,
  bytes: 2,
  read: (block, from, out, to) => {
    out[to] = half(block, from);
  },
};

const word = new DataView(new ArrayBuffer(4));

const BF16: BlockType = {
  name: 'BF16',
  size: 1,
  bytes: 2,
  read: (block, from, out, to) => {
    word.setUint32(0, block.getUint16(from, true) << 16);
    out[to] = word.getFloat32(0);
  },
};

const Q8_0: BlockType = {
  name: 'Q8_0',
  size: 32,
  bytes: 34,
  read: (block, from, out, to) => {
    const scale = half(block, from);
    for (let i = 0; i < 32; i++) out[to + i] = scale * block.getInt8(from + 2 + i);
  },
};

/** 32 numbers of 4 bits, the first sixteen in the lower halves of bytes: q -> scale q + offset. */
function nibbles(block: DataView, from: number, out: Float32Array, to: number, scale: number, offset: number): void {
  for (let i = 0; i < 16; i++) {
    const byte = block.getUint8(from + i);
    out[to + i] = scale * (byte & 15) + offset;
    out[to + 16 + i] = scale * (byte >> 4) + offset;
  }
}

const Q4_0: BlockType = {
  name: 'Q4_0',
  size: 32,
  bytes: 18,
  read: (block, from, out, to) => {
    const scale = half(block, from);
    nibbles(block, from + 2, out, to, scale, -8 * scale);
  },
};

const Q4_1: BlockType = {
  name: 'Q4_1',
  size: 32,
  bytes: 20,
  read: (block, from, out, to) => nibbles(block, from + 4, out, to, half(block, from), half(block, from + 2)),
};

/** As nibbles, with a fifth bit of each number in the 32 before them. */
function fives(block: DataView, from: number, out: Float32Array, to: number, scale: number, offset: number): void {
  const high = block.getUint32(from, true);
  for (let i = 0; i < 32; i++) {
    const byte = block.getUint8(from + 4 + (i % 16));
    const low = i < 16 ? byte & 15 : byte >> 4;
    out[to + i] = scale * (low | (((high >>> i) & 1) << 4)) + offset;
  }
}

const Q5_0: BlockType = {
  name: 'Q5_0',
  size: 32,
  bytes: 22,
  read: (block, from, out, to) => {
    const scale = half(block, from);
    fives(block, from + 2, out, to, scale, -16 * scale);
  },
};

const Q5_1: BlockType = {
  name: 'Q5_1',
  size: 32,
  bytes: 24,
  read: (block, from, out, to) => fives(block, from + 4, out, to, half(block, from), half(block, from + 2)),
};

/**
 * Of eight groups of 32, each with a scale and a minimum of 6 bits, packed into 12 bytes: the first four in the low bits of
 * bytes 0 to 3 and 4 to 7; the last four in the halves of bytes 8 to 11, with the top two bits of those before.
 */
function groupScales(block: DataView, from: number, group: number): readonly [scale: number, minimum: number] {
  const byte = (at: number): number => block.getUint8(from + at);
  if (group < 4) return [byte(group) & 63, byte(group + 4) & 63];
  const both = byte(group + 4);
  return [(both & 15) | ((byte(group - 4) >> 6) << 4), (both >> 4) | ((byte(group) >> 6) << 4)];
}

/** Two groups share 32 bytes: the even one has the lower halves. A fifth bit, if there is one, is bit `group` of 32 bytes more. */
function readGroups(block: DataView, from: number, out: Float32Array, to: number, fifth: number | null): void {
  const [scale, minimum] = [half(block, from), half(block, from + 2)];
  const quants = from + 16 + (fifth === null ? 0 : 32);
  for (let group = 0; group < 8; group++) {
    const [s, m] = groupScales(block, from + 4, group);
    for (let i = 0; i < 32; i++) {
      const byte = block.getUint8(quants + 32 * (group >> 1) + i);
      const low = group % 2 === 0 ? byte & 15 : byte >> 4;
      const high = fifth === null ? 0 : ((block.getUint8(fifth + i) >> group) & 1) << 4;
      out[to + 32 * group + i] = scale * s * (low | high) - minimum * m;
    }
  }
}

const Q4_K: BlockType = {
  name: 'Q4_K',
  size: 256,
  bytes: 144,
  read: (block, from, out, to) => readGroups(block, from, out, to, null),
};

const Q5_K: BlockType = {
  name: 'Q5_K',
  size: 256,
  bytes: 176,
  read: (block, from, out, to) => readGroups(block, from, out, to, from + 16),
};

/** Two halves of 128: in each, 64 bytes of low nibbles, 32 bytes of two high bits each, and eight signed scales of 16 numbers. */
const Q6_K: BlockType = {
  name: 'Q6_K',
  size: 256,
  bytes: 210,
  read: (block, from, out, to) => {
    const scale = half(block, from + 208);
    for (let i = 0; i < 256; i++) {
      const [part, within] = [i >> 7, i & 127];
      const byte = block.getUint8(from + 64 * part + (within & 63));
      const low = within < 64 ? byte & 15 : byte >> 4;
      const high = (block.getUint8(from + 128 + 32 * part + (within & 31)) >> (2 * (within >> 5))) & 3;
      out[to + i] = scale * block.getInt8(from + 192 + (i >> 4)) * ((low | (high << 4)) - 32);
    }
  },
};

/** By ggml's number. */
export const BLOCK_TYPES: ReadonlyMap<number, BlockType> = new Map([
  [0, F32],
  [1, F16],
  [2, Q4_0],
  [3, Q4_1],
  [6, Q5_0],
  [7, Q5_1],
  [8, Q8_0],
  [12, Q4_K],
  [13, Q5_K],
  [14, Q6_K],
  [30, BF16],
]);

/** ggml's other types, for a refusal by name. */
const OTHER_TYPES: ReadonlyMap<number, string> = new Map([
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
]);

export const nameOfType = (type: number): string => OTHER_TYPES.get(type) ?? `number ${type}`;
