/**
 * Messages of a pipe (docs/engine-protocol.md): a frame is two lengths (32 bits, little-endian), then so many bytes of JSON and so many
 * of arrays. In the JSON an array of numbers is `{ "$array": [dtype, byteOffset, length] }`, a place in the second part.
 */
const HEADER_BYTES = 8;
const ALIGNMENT = 8;
const MAX_BYTES = 2 ** 32 - 1;
/** A string of JavaScript has no more; and text that is no frame begins with a greater number. */
const MAX_JSON_BYTES = 2 ** 29;

const DTYPES = { int32: Int32Array, float32: Float32Array, float64: Float64Array } as const;
type Dtype = keyof typeof DTYPES;
type NumberArray = InstanceType<(typeof DTYPES)[Dtype]>;

/** The bytes are no frame, or the value does not fit in one. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/**
 * The parts of one frame, in order. Fields that are undefined are left out.
 *
 * @throws FrameError for what the other side could not read as it was: other arrays, numbers that JSON does not have, too much
 */
export function encodeFrame(message: unknown): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const place = (dtype: Dtype, array: NumberArray): number => {
    const start = bytes;
    parts.push(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    bytes += array.byteLength;
    const padding = -bytes & (ALIGNMENT - 1);
    if (padding > 0) parts.push(new Uint8Array(padding));
    bytes += padding;
    if (bytes > MAX_BYTES) throw new FrameError(`arrays of ${dtype} do not fit in a message of 4 GiB; send fewer`);
    return start;
  };
  const text = JSON.stringify(message, (key, value: unknown) => {
    if (ArrayBuffer.isView(value)) {
      const dtype = dtypeOf(value);
      if (dtype === undefined) throw new FrameError(`"${key}" is an array of a kind that has no place in a message`);
      return { $array: [dtype, place(dtype, value as NumberArray), (value as NumberArray).length] };
    }
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new FrameError(`"${key}" is ${value}, which JSON does not have; send it in an array`);
    return value;
  });
  const json = Buffer.from(text, 'utf8');
  if (json.length > MAX_JSON_BYTES) throw new FrameError('the message has more than 512 MiB of JSON; send less');
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(json.length, 0);
  header.writeUInt32LE(bytes, 4);
  return [header, json, ...parts];
}

/** Reads frames from chunks, wherever they were cut. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  /**
   * The messages that the chunk completes.
   *
   * @throws FrameError where the bytes are no frames; nothing after them can be read
   */
  push(chunk: Uint8Array): unknown[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    const messages: unknown[] = [];
    for (;;) {
      const header = this.#peek(HEADER_BYTES);
      if (header === undefined) return messages;
      const [json, binary] = [header.readUInt32LE(0), header.readUInt32LE(4)];
      if (json > MAX_JSON_BYTES) throw new FrameError(`a message of ${json} bytes of JSON is none`);
      if (this.#bytes < HEADER_BYTES + json + binary) return messages;
      this.#take(HEADER_BYTES);
      const text = this.#take(json).toString('utf8');
      messages.push(decode(text, this.#take(binary)));
    }
  }

  /** Bytes of a message that has begun and is not complete. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  #peek(bytes: number): Buffer | undefined {
    if (this.#bytes < bytes) return undefined;
    const [first] = this.#chunks;
    if (first !== undefined && first.byteLength >= bytes) return Buffer.from(first.buffer, first.byteOffset, bytes);
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#peek(bytes);
  }

  /** Chunks are joined once a message is complete, not for each of its chunks. */
  #take(bytes: number): Buffer {
    if (bytes === 0) return Buffer.alloc(0);
    const taken: Uint8Array[] = [];
    let left = bytes;
    while (left > 0) {
      const chunk = this.#chunks[0] as Uint8Array;
      const part = chunk.subarray(0, left);
      taken.push(part);
      left -= part.byteLength;
      if (part.byteLength === chunk.byteLength) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.byteLength);
    }
    this.#bytes -= bytes;
    const [only] = taken;
    return taken.length === 1 && only ? Buffer.from(only.buffer, only.byteOffset, bytes) : Buffer.concat(taken, bytes);
  }
}

function decode(text: string, binary: Buffer): unknown {
  try {
    return JSON.parse(text, (_, value: unknown) => (isPlaced(value) ? arrayAt(value.$array, binary) : value));
  } catch (error) {
    if (error instanceof FrameError) throw error;
    throw new FrameError(`a message is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isPlaced(value: unknown): value is { readonly $array: unknown } {
  return typeof value === 'object' && value !== null && '$array' in value;
}

/** A copy: each array has memory of its own. */
function arrayAt(place: unknown, binary: Buffer): NumberArray {
  const [dtype, start, length] = Array.isArray(place) ? (place as readonly unknown[]) : [];
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPES, dtype))
    throw new FrameError(`an array is of ${String(dtype)}, not of ${Object.keys(DTYPES).join(', ')}`);
  const made = DTYPES[dtype as Dtype];
  if (!isCount(start) || !isCount(length) || start + length * made.BYTES_PER_ELEMENT > binary.byteLength)
    throw new FrameError(`an array of ${String(length)} at ${String(start)} is outside its message`);
  const from = binary.byteOffset + start;
  return new made(binary.buffer.slice(from, from + length * made.BYTES_PER_ELEMENT) as ArrayBuffer);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function dtypeOf(value: ArrayBufferView): Dtype | undefined {
  return (Object.keys(DTYPES) as Dtype[]).find((dtype) => value instanceof DTYPES[dtype]);
}
