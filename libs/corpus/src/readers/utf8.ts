import { isUtf8 } from 'node:buffer';

/** Stands for a byte that is not UTF-8: no JSON text has it, and whatever escapes stand beside it, a lone surrogate is left. */
export const NOT_UTF8 = '\uDFFF\uDFFF';

/** The text of a stream of UTF-8 bytes, piece by piece; text passes as it is. */
export async function* textOf(chunks: AsyncIterable<Uint8Array | string>): AsyncGenerator<string, void, undefined> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (typeof chunk === 'string') {
      yield chunk;
      continue;
    }
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const whole = bytes.length - begunAtTheEnd(bytes);
    rest = bytes.subarray(whole);
    yield decode(bytes.subarray(0, whole));
  }
  if (rest.length > 0) yield decode(rest);
}

function decode(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const parts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    let end = at;
    while (end < bytes.length && bytes[end]! < 0x80) end += 1;
    if (end === at) {
      end = at + lengthOf(bytes[at]!);
      if (end > bytes.length || !isUtf8(bytes.subarray(at, end))) {
        parts.push(NOT_UTF8);
        at += 1;
        continue;
      }
    }
    parts.push(bytes.toString('utf8', at, end));
    at = end;
  }
  return parts.join('');
}

/** Bytes of a character of which not all are there yet. */
function begunAtTheEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return lengthOf(byte) > back ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** Of the character that begins with this byte. */
function lengthOf(first: number): number {
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}
