import { closeSync, fstatSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { ModelError } from '../model.error.ts';
import { openFile } from '../open-file.ts';
import { BLOCK_TYPES, nameOfType, type BlockType } from './gguf-blocks.ts';

/** A value of GGUF's metadata. */
export type GgufValue = number | boolean | string | readonly GgufValue[];

/** Where a tensor lies in its file, and how. */
export interface GgufTensor {
  readonly type: BlockType;
  /** Row-major, as everywhere here: GGUF itself names the innermost first. */
  readonly dims: readonly number[];
  /** Bytes [from, to) of the file. */
  readonly from: number;
  readonly to: number;
}

const MAGIC = 'GGUF';
/** Version 2 has the same layout as 3. */
const VERSIONS = [2, 3];
const LFS_POINTER = 'version https://git-lfs';
const WINDOW = 1 << 20;
/** Far above any model's; what a file asks for is not made before its bytes are there. */
const MAX_ENTRIES = 1_000_000;
const MAX_RANK = 4;
const MAX_DEPTH = 2;
/** Numbers that are made at a time. */
const PIECE = 1 << 20;

/**
 * A GGUF file (github.com/ggml-org/ggml, docs/gguf.md): its metadata and where its tensors lie are read at once, tensors a piece
 * at a time.
 * @throws ModelError that names the file and what is wrong with it
 */
export class GgufFile {
  readonly label: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly #file: number;

  private constructor(path: string) {
    this.label = basename(path);
    this.#file = openFile(path);
    try {
      const cursor: Cursor = new Cursor(this.#file, this.label);
      demandGguf(cursor);
      const tensorCount = cursor.count('tensors');
      const entryCount = cursor.count('metadata entries');
      this.metadata = new Map(Array.from({ length: entryCount }, () => [cursor.text(), readValue(cursor)]));
      const alignment = this.metadata.get('general.alignment') ?? 32;
      if (typeof alignment !== 'number' || !(alignment > 0)) cursor.refuse('general.alignment is no positive number');
      const headers = Array.from({ length: tensorCount }, () => readTensorHeader(cursor));
      const start = Math.ceil(cursor.position / alignment) * alignment;
      this.tensors = new Map(headers.map((header) => [header.name, placed(header, start, cursor)]));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  static open(path: string): GgufFile {
    return new GgufFile(path);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** A tensor's numbers in order; each piece is read before the next is made, in the same memory. */
  *pieces({ type, from, to }: GgufTensor): Generator<Float32Array> {
    const blocks = (to - from) / type.bytes;
    const atATime = Math.min(blocks, Math.ceil(PIECE / type.size));
    const bytes = Buffer.alloc(atATime * type.bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const numbers = new Float32Array(atATime * type.size);
    for (let first = 0; first < blocks; first += atATime) {
      const count = Math.min(atATime, blocks - first);
      readInto(this.#file, bytes.subarray(0, count * type.bytes), from + first * type.bytes, this.label);
      for (let block = 0; block < count; block++) type.read(view, block * type.bytes, numbers, block * type.size);
      yield numbers.subarray(0, count * type.size);
    }
  }

  /** All of a tensor's numbers. */
  numbers(tensor: GgufTensor): Float32Array {
    const all = new Float32Array(tensor.dims.reduce((product, dim) => product * dim, 1));
    let at = 0;
    for (const piece of this.pieces(tensor)) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

function demandGguf(cursor: Cursor): void {
  const beginning = cursor.peek(LFS_POINTER.length).toString('latin1');
  if (beginning === LFS_POINTER)
    cursor.refuse('a Git LFS pointer, not the model itself; fetch it with git lfs pull, or download it');
  if (!beginning.startsWith(MAGIC))
    cursor.refuse('not a GGUF file, which begins with GGUF; name a .gguf file or a Hugging Face folder');
  cursor.take(MAGIC.length);
  const bytes = cursor.take(4);
  const version = bytes.readUInt32LE();
  if (VERSIONS.includes(version)) return;
  if (VERSIONS.includes(bytes.readUInt32BE()))
    cursor.refuse('big-endian; convert it to little-endian (gguf-convert-endian of the gguf package)');
  cursor.refuse(`GGUF version ${version}; read are ${VERSIONS.join(' and ')}, convert the model again`);
}

interface TensorHeader {
  readonly name: string;
  readonly type: BlockType;
  readonly dims: readonly number[];
  readonly offset: number;
}

function readTensorHeader(cursor: Cursor): TensorHeader {
  const name = cursor.text();
  const rank = cursor.take(4).readUInt32LE();
  if (rank > MAX_RANK) cursor.refuse(`tensor "${name}" has ${rank} dimensions, the most are ${MAX_RANK}`);
  const dims = Array.from({ length: rank }, () => cursor.whole()).reverse();
  const number = cursor.take(4).readUInt32LE();
  const type = BLOCK_TYPES.get(number);
  if (!type) {
    const known = [...BLOCK_TYPES.values()].map((each) => each.name).join(', ');
    return cursor.refuse(`tensor "${name}" has type ${nameOfType(number)}; read are ${known}`);
  }
  return { name, type, dims, offset: cursor.whole() };
}

function placed({ name, type, dims, offset }: TensorHeader, start: number, cursor: Cursor): GgufTensor {
  const row = dims.at(-1) ?? 1;
  if (row % type.size !== 0)
    cursor.refuse(`tensor "${name}" has rows of ${row}, which ${type.name} cannot hold in blocks of ${type.size}`);
  const bytes = (dims.reduce((product, dim) => product * dim, 1) / type.size) * type.bytes;
  const from = start + offset;
  if (from + bytes > cursor.size)
    cursor.refuse(
      `cut off: tensor "${name}" ends at byte ${from + bytes}, the file has ${cursor.size}; download it again`,
    );
  return { type, dims, from, to: from + bytes };
}

const NUMBERS: ReadonlyMap<number, readonly [bytes: number, read: (bytes: Buffer) => number]> = new Map([
  [0, [1, (bytes) => bytes.readUInt8()]],
  [1, [1, (bytes) => bytes.readInt8()]],
  [2, [2, (bytes) => bytes.readUInt16LE()]],
  [3, [2, (bytes) => bytes.readInt16LE()]],
  [4, [4, (bytes) => bytes.readUInt32LE()]],
  [5, [4, (bytes) => bytes.readInt32LE()]],
  [6, [4, (bytes) => bytes.readFloatLE()]],
  [10, [8, (bytes) => Number(bytes.readBigUInt64LE())]],
  [11, [8, (bytes) => Number(bytes.readBigInt64LE())]],
  [12, [8, (bytes) => bytes.readDoubleLE()]],
]);
const BOOLEAN = 7;
const TEXT = 8;
const LIST = 9;

function readValue(cursor: Cursor, type = cursor.take(4).readUInt32LE(), depth = 0): GgufValue {
  const number = NUMBERS.get(type);
  if (number) return number[1](cursor.take(number[0]));
  if (type === BOOLEAN) return cursor.take(1)[0] !== 0;
  if (type === TEXT) return cursor.text();
  if (type !== LIST || depth === MAX_DEPTH)
    return cursor.refuse(`metadata of type ${type}, which is none; the file is damaged`);
  const of = cursor.take(4).readUInt32LE();
  const count = cursor.count('values in a list');
  return Array.from({ length: count }, () => readValue(cursor, of, depth + 1));
}

/** Reads a file from its beginning, through a window. */
class Cursor {
  readonly size: number;
  #window = Buffer.alloc(0);
  #from = 0;
  #at = 0;

  constructor(
    private readonly file: number,
    private readonly label: string,
  ) {
    this.size = fstatSync(file).size;
  }

  get position(): number {
    return this.#from + this.#at;
  }

  /** As many of the next bytes as there are. */
  peek(length: number): Buffer {
    const there = Math.min(length, this.size - this.position);
    if (this.#at + there > this.#window.length) {
      const from = this.position;
      this.#window = Buffer.alloc(Math.min(Math.max(there, WINDOW), this.size - from));
      readInto(this.file, this.#window, from, this.label);
      [this.#from, this.#at] = [from, 0];
    }
    return this.#window.subarray(this.#at, this.#at + there);
  }

  take(length: number): Buffer {
    const bytes = this.peek(length);
    if (bytes.length < length) this.refuse(`cut off: its description ends at byte ${this.size}; download it again`);
    this.#at += length;
    return bytes;
  }

  whole(): number {
    const value = Number(this.take(8).readBigUInt64LE());
    if (!Number.isSafeInteger(value))
      this.refuse(`the number ${value} stands where a size should; the file is damaged`);
    return value;
  }

  count(what: string): number {
    const value = this.whole();
    if (value > MAX_ENTRIES) this.refuse(`${value} ${what}; the file is damaged`);
    return value;
  }

  text(): string {
    return this.take(this.whole()).toString('utf8');
  }

  refuse(fault: string): never {
    throw new ModelError(`${this.label}: ${fault}`);
  }
}

function readInto(file: number, bytes: Buffer, from: number, label: string): void {
  for (let read = 0; read < bytes.length;) {
    const more = readSync(file, bytes, read, Math.min(bytes.length - read, 1 << 28), from + read);
    if (more === 0) throw new ModelError(`${label}: cut off: it ended while it was read; download it again`);
    read += more;
  }
}
