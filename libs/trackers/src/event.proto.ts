/** The part of TensorFlow's `event.proto` and `summary.proto` that scalars need, in protobuf's wire format. */
export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

const DOUBLE = 1;
const VARINT = 0;
const BYTES = 2;
const FLOAT = 5;

/** What a file begins with: `brain.Event:2`. */
export function encodeVersion(wallTime: number): Buffer {
  return Buffer.concat([double(1, wallTime), bytes(3, Buffer.from('brain.Event:2'))]);
}

/** Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } } */
export function encodeEvent({ wallTime, step, values }: ScalarEvent): Buffer {
  const summary = Object.entries(values).map(([tag, value]) =>
    bytes(1, Buffer.concat([bytes(1, Buffer.from(tag)), float(2, value)])),
  );
  return Buffer.concat([double(1, wallTime), varint(2, step), bytes(5, Buffer.concat(summary))]);
}

/** Step and tags of an event of ours, for who goes on with a file. */
export function decodeEvent(event: Buffer): { readonly step: number; readonly tags: readonly string[] } {
  let step = 0;
  const tags: string[] = [];
  for (const { field, value } of fieldsOf(event)) {
    if (field === 2 && typeof value === 'number') step = value;
    if (field !== 5 || typeof value === 'number') continue;
    for (const { value: entry } of fieldsOf(value)) {
      if (typeof entry === 'number') continue;
      const tag = fieldsOf(entry).find((part) => part.field === 1)?.value;
      if (tag !== undefined && typeof tag !== 'number') tags.push(tag.toString());
    }
  }
  return { step, tags };
}

function fieldsOf(message: Buffer): { readonly field: number; readonly value: number | Buffer }[] {
  const fields: { field: number; value: number | Buffer }[] = [];
  for (let at = 0; at < message.length;) {
    const key = readVarint(message, at);
    const [field, type] = [key.value >>> 3, key.value & 7];
    if (type === VARINT) {
      const { value, next } = readVarint(message, key.next);
      fields.push({ field, value });
      at = next;
    } else if (type === BYTES) {
      const { value: length, next } = readVarint(message, key.next);
      fields.push({ field, value: message.subarray(next, next + length) });
      at = next + length;
    } else {
      const length = type === DOUBLE ? 8 : 4;
      fields.push({ field, value: message.subarray(key.next, key.next + length) });
      at = key.next + length;
    }
  }
  return fields;
}

function readVarint(message: Buffer, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let at = from, scale = 1; ; at++, scale *= 128) {
    const byte = message[at] ?? 0;
    value += (byte & 127) * scale;
    if (byte < 128) return { value, next: at + 1 };
  }
}

const keyOf = (field: number, type: number): Buffer => encodeVarint(field * 8 + type);

function encodeVarint(value: number): Buffer {
  const parts: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) parts.push((rest % 128) + 128);
  return Buffer.from([...parts, rest]);
}

const varint = (field: number, value: number): Buffer => Buffer.concat([keyOf(field, VARINT), encodeVarint(value)]);
const bytes = (field: number, value: Buffer): Buffer =>
  Buffer.concat([keyOf(field, BYTES), encodeVarint(value.length), value]);

function double(field: number, value: number): Buffer {
  const number = Buffer.alloc(8);
  number.writeDoubleLE(value);
  return Buffer.concat([keyOf(field, DOUBLE), number]);
}

function float(field: number, value: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeFloatLE(value);
  return Buffer.concat([keyOf(field, FLOAT), number]);
}
