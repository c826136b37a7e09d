import { crc32c } from './crc32c.ts';

const HEADER = 12;
const FOOTER = 4;
const MASK_DELTA = 0xa282ead8;

/** TFRecord: length (64 bits), its checksum, the bytes, theirs; all little-endian. */
export function encodeRecord(bytes: Uint8Array): Buffer {
  const record = Buffer.alloc(HEADER + bytes.length + FOOTER);
  record.writeBigUInt64LE(BigInt(bytes.length), 0);
  record.writeUInt32LE(masked(record.subarray(0, 8)), 8);
  record.set(bytes, HEADER);
  record.writeUInt32LE(masked(bytes), HEADER + bytes.length);
  return record;
}

/** The records of a file, and how many of its bytes they are: what follows was cut off by a crash. */
export function decodeRecords(file: Buffer): { readonly records: readonly Buffer[]; readonly bytes: number } {
  const records: Buffer[] = [];
  let at = 0;
  for (;;) {
    const header = file.subarray(at, at + HEADER);
    if (header.length < HEADER || header.readUInt32LE(8) !== masked(header.subarray(0, 8))) break;
    const end = at + HEADER + Number(header.readBigUInt64LE(0));
    if (end + FOOTER > file.length) break;
    const bytes = file.subarray(at + HEADER, end);
    if (file.readUInt32LE(end) !== masked(bytes)) break;
    records.push(bytes);
    at = end + FOOTER;
  }
  return { records, bytes: at };
}

function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
