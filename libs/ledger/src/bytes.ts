import { endianness } from 'node:os';

if (endianness() !== 'LE') throw new Error('The ledger keeps little-endian numbers; run on a little-endian machine.');

export type TokenIds = Int32Array | readonly number[];

export function bytesOfTokens(tokens: TokenIds): Buffer {
  return bytesOf(tokens instanceof Int32Array ? tokens : Int32Array.from(tokens));
}

export function tokensOfBytes(bytes: Buffer): Int32Array {
  return new Int32Array(aligned(bytes));
}

export function bytesOfLogps(logps: Float32Array): Buffer {
  return bytesOf(logps);
}

export function logpsOfBytes(bytes: Buffer): Float32Array {
  return new Float32Array(aligned(bytes));
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function aligned(bytes: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return copy;
}
