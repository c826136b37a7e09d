import { closeSync, fstatSync, openSync, readSync, writeSync, fsyncSync } from 'node:fs';
import { basename } from 'node:path';
import { fromFloat16 } from './float16.ts';
import { ModelError } from './model.error.ts';
import { openFile } from './open-file.ts';

/** A tensor in memory: row-major float32. */
export interface HostTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export type HostTensors = ReadonlyMap<string, HostTensor>;

/** Where a tensor lies in its file. */
export interface TensorEntry {
  readonly dtype: string;
  readonly dims: readonly number[];
  /** Bytes [from, to) of the file. */
  readonly from: number;
  readonly to: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Names of the tensors that were not asked for. */
  readonly skipped: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

const BYTES: Readonly<Record<string, number>> = { F32: 4, BF16: 2, F16: 2 };
/** No published model comes near this; a larger header is a damaged or hostile file. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Reads a safetensors file: 8 bytes of header length (little-endian), a JSON header, raw little-endian tensors.
 * BF16 and F16 become float32 exactly.
 * @throws ModelError that names the file and the tensor at fault.
 */
export function readSafetensors<T = HostTensor>(
  path: string,
  /** What becomes of each tensor before the next is read. */
  keep: (name: string, tensor: HostTensor) => T = (_, tensor) => tensor as T,
  /** Tensors that are not wanted, whatever their type. */
  skip: (name: string) => boolean = () => false,
): {
  tensors: Map<string, T>;
  skipped: readonly string[];
  metadata: Readonly<Record<string, string>>;
} {
  return withFile(path, (file, label) => {
    const { tensors, ...rest } = readHeader(file, label, skip);
    return {
      tensors: new Map([...tensors].map(([name, entry]) => [name, keep(name, readTensor(file, entry))])),
      ...rest,
    };
  });
}

/**
 * What a safetensors file holds, and that it holds all of it, without reading the tensors.
 * @throws ModelError that names the file and the tensor at fault.
 */
export function readSafetensorsHeader(path: string, skip: (name: string) => boolean = () => false): SafetensorsHeader {
  return withFile(path, (file, label) => readHeader(file, label, skip));
}

/** A tensor in its file. */
export interface StoredEntry {
  readonly path: string;
  readonly entry: TensorEntry;
}

/** Whether two tensors of one shape hold the same numbers, whatever they are stored as; a piece of both in memory at a time. */
export function equalTensors(a: StoredEntry, b: StoredEntry): boolean {
  return withFile(a.path, (fileOfA) =>
    withFile(b.path, (fileOfB) => {
      const ofB = tensorPieces(fileOfB, b.entry);
      for (const piece of tensorPieces(fileOfA, a.entry)) {
        const other = ofB.next().value as Float32Array;
        if (!piece.every((value, i) => value === other[i])) return false;
      }
      return true;
    }),
  );
}

/** A stored tensor, whole. */
export function readStored({ path, entry }: StoredEntry): HostTensor {
  return withFile(path, (file) => readTensor(file, entry));
}

/** A stored tensor's numbers, a piece in memory at a time. */
export function* storedPieces({ path, entry }: StoredEntry): Generator<Float32Array, undefined> {
  const file = openFile(path);
  try {
    yield* tensorPieces(file, entry);
  } finally {
    closeSync(file);
  }
}

/** A tensor that is made as it is written. */
export interface TensorSource {
  readonly name: string;
  readonly dims: readonly number[];
  /** Its numbers, row-major, a piece at a time: a piece is written before the next is asked for. */
  readonly pieces: () => Iterable<Float32Array>;
}

/** Writes float32 tensors in the given order and forces them to the disk. */
export function writeSafetensors(
  path: string,
  tensors: HostTensors,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const sources = [...tensors].map(([name, { dims, data }]) => ({ name, dims, pieces: () => [data] }));
  streamSafetensors(path, sources, metadata);
}

/** As writeSafetensors, with a piece of one tensor in memory at a time. */
export function streamSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): void {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  for (const { name, dims } of tensors) {
    const bytes = dims.reduce((product, dim) => product * dim, 4);
    header[name] = { dtype: 'F32', shape: dims, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padding = (8 - (json.length % 8)) % 8;
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length + padding));
  const file = openSync(path, 'w');
  try {
    for (const piece of [prefix, json, Buffer.alloc(padding, ' ')]) writeAll(file, piece);
    for (const { pieces } of tensors)
      for (const data of pieces()) writeAll(file, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;)
    written += writeSync(file, bytes, written, Math.min(bytes.length - written, 1 << 28));
}

function withFile<T>(path: string, read: (file: number, label: string) => T): T {
  const file = openFile(path);
  try {
    return read(file, basename(path));
  } finally {
    closeSync(file);
  }
}

function readHeader(file: number, label: string, skip: (name: string) => boolean): SafetensorsHeader {
  const size = fstatSync(file).size;
  if (size < 8) throw new ModelError(`${label}: ${size} bytes are too few for a safetensors file; download it again`);
  if (isLfsPointer(file, size))
    throw new ModelError(
      `${label} is a Git LFS pointer, ${size} bytes that stand for the file; fetch it with git lfs pull, or download it`,
    );
  const headerLength = Number(readBytes(file, 0, 8).readBigUInt64LE());
  const start = 8 + headerLength;
  if (headerLength > MAX_HEADER_BYTES || start > size) {
    throw new ModelError(
      `${label}: the header claims ${headerLength} bytes, the file has ${size}; it is truncated or no safetensors file`,
    );
  }
  const { __metadata__: metadata = {}, ...entries } = parseHeader(readBytes(file, 8, headerLength), label);
  const names = Object.keys(entries);
  const tensors = new Map(
    names
      .filter((name) => !skip(name))
      .map((name) => [name, checkEntry(entries[name], label, name, start, size)] as const),
  );
  const ordered = [...tensors].sort(([, a], [, b]) => a.from - b.from);
  ordered.forEach(([name, entry], i) => {
    const [before, previous] = ordered[i - 1] ?? [];
    if (previous && entry.from < previous.to)
      throw new ModelError(`${label}: "${name}" overlaps "${before}"; the file is damaged, download it again`);
  });
  return { tensors, skipped: names.filter(skip), metadata: metadata as Record<string, string> };
}

/** What Git has in a file's place that Git LFS keeps: a few lines of text, of which this is the first. */
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';

function isLfsPointer(file: number, size: number): boolean {
  return size >= LFS_POINTER.length && readBytes(file, 0, LFS_POINTER.length).toString('latin1') === LFS_POINTER;
}

function parseHeader(bytes: Buffer, label: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(bytes.toString('utf8'));
    if (header !== null && typeof header === 'object' && !Array.isArray(header))
      return header as Record<string, unknown>;
  } catch {
    // Reported below.
  }
  throw new ModelError(`${label}: the header is not a JSON object; the file is damaged or no safetensors file`);
}

function checkEntry(entry: unknown, label: string, name: string, start: number, size: number): TensorEntry {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = (entry ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  if (typeof dtype !== 'string' || !isWholeNumbers(shape) || !isWholeNumbers(offsets) || offsets.length !== 2) {
    throw new ModelError(`${label}: the header entry of "${name}" is incomplete`);
  }
  const width = Object.hasOwn(BYTES, dtype) ? BYTES[dtype] : undefined;
  if (!width)
    throw new ModelError(`${label}: "${name}" has type ${dtype}; supported are ${Object.keys(BYTES).join(', ')}`);
  const [from, to] = offsets as [number, number];
  const needed = shape.reduce((product, dim) => product * dim, width);
  if (to - from !== needed) {
    throw new ModelError(
      `${label}: "${name}" of shape [${shape.join(', ')}] needs ${needed} bytes, its offsets span ${to - from}`,
    );
  }
  if (start + to > size)
    throw new ModelError(`${label}: "${name}" lies outside the file, which is truncated; download it again`);
  return { dtype, dims: shape, from: start + from, to: start + to };
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function readBytes(file: number, from: number, length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let read = 0; read < length;) read += readSync(file, bytes, read, Math.min(length - read, 1 << 28), from + read);
  return bytes;
}

function readTensor(file: number, { dtype, dims, from, to }: TensorEntry): HostTensor {
  return { dims, data: readFloats(file, dtype, from, to) };
}

/** Values at a time. */
const PIECE = 1 << 20;

function* tensorPieces(file: number, { dtype, from, to }: TensorEntry): Generator<Float32Array, undefined> {
  const bytes = PIECE * (BYTES[dtype] as number);
  for (let at = from; at < to; at += bytes) yield readFloats(file, dtype, at, Math.min(to, at + bytes));
}

function readFloats(file: number, dtype: string, from: number, to: number): Float32Array<ArrayBuffer> {
  const { buffer } = readBytes(file, from, to - from);
  if (dtype === 'F32') return new Float32Array(buffer);
  const halves = new Uint16Array(buffer);
  return dtype === 'BF16' ? fromBFloat16(halves) : Float32Array.from(halves, fromFloat16);
}

function fromBFloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = (halves[i] as number) << 16;
  return new Float32Array(words.buffer);
}
