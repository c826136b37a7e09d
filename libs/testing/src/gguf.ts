/** A tensor of a GGUF file that a test makes: its type by ggml's number. */
export interface GgufTensorBytes {
  readonly name: string;
  /** Row-major. */
  readonly dims: readonly number[];
  readonly type: number;
  readonly bytes: Uint8Array;
}

type Value = boolean | number | string | readonly number[] | readonly string[];

/** Whole numbers are uint32 and others float32, as converters write them. */
const UINT32 = 4;
const INT32 = 5;
const FLOAT32 = 6;
const BOOLEAN = 7;
const TEXT = 8;
const LIST = 9;
const ALIGNMENT = 32;

/** The bytes of a GGUF file, version 3. */
export function ggufBytes(
  metadata: Readonly<Record<string, Value>>,
  tensors: readonly GgufTensorBytes[],
  { version = 3 }: { readonly version?: number } = {},
): Buffer {
  let offset = 0;
  const headers = tensors.map(({ name, dims, type, bytes }) => {
    const header = Buffer.concat([
      text(name),
      uint32(dims.length),
      ...[...dims].reverse().map(uint64),
      uint32(type),
      uint64(offset),
    ]);
    offset += padded(bytes.length);
    return header;
  });
  const entries = Object.entries(metadata).map(([key, value]) => Buffer.concat([text(key), typed(value)]));
  const description = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(version),
    uint64(tensors.length),
    uint64(entries.length),
    ...entries,
    ...headers,
  ]);
  return Buffer.concat([filled(description), ...tensors.map(({ bytes }) => filled(bytes))]);
}

function typed(value: Value): Buffer {
  if (typeof value === 'boolean') return Buffer.concat([uint32(BOOLEAN), Buffer.from([Number(value)])]);
  if (typeof value === 'string') return Buffer.concat([uint32(TEXT), text(value)]);
  if (typeof value === 'number')
    return Buffer.concat(Number.isInteger(value) ? [uint32(UINT32), uint32(value)] : [uint32(FLOAT32), float32(value)]);
  const texts = value.filter((item) => typeof item === 'string');
  const numbers = value.filter((item) => typeof item === 'number');
  if (texts.length > 0) return Buffer.concat([uint32(LIST), uint32(TEXT), uint64(texts.length), ...texts.map(text)]);
  const whole = numbers.every(Number.isInteger);
  const items = numbers.map((item) => (whole ? int32(item) : float32(item)));
  return Buffer.concat([uint32(LIST), uint32(whole ? INT32 : FLOAT32), uint64(items.length), ...items]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function written(size: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(size);
  write(buffer);
  return buffer;
}

const uint32 = (value: number): Buffer => written(4, (buffer) => buffer.writeUInt32LE(value));
const int32 = (value: number): Buffer => written(4, (buffer) => buffer.writeInt32LE(value));
const uint64 = (value: number): Buffer => written(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
const float32 = (value: number): Buffer => written(4, (buffer) => buffer.writeFloatLE(value));
const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const filled = (bytes: Uint8Array): Buffer => Buffer.concat([bytes], padded(bytes.length));

interface Numbers {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens\./, 'token_embd.'],
  [/^model\.norm\./, 'output_norm.'],
  [/^lm_head\./, 'output.'],
  [/^model\.layers\.(\d+)\./, 'blk.$1.'],
  [/input_layernorm\./, 'attn_norm.'],
  [/self_attn\.([qkv])_proj\./, 'attn_$1.'],
  [/self_attn\.o_proj\./, 'attn_output.'],
  [/self_attn\.([qk])_norm\./, 'attn_$1_norm.'],
  [/mlp\.(gate|up|down)_proj\./, 'ffn_$1.'],
];
const LLAMA_NAMES = [[/post_attention_layernorm\./, 'ffn_norm.']] as const;
const GEMMA_NAMES = [
  [/post_attention_layernorm\./, 'post_attention_norm.'],
  [/pre_feedforward_layernorm\./, 'ffn_norm.'],
  [/post_feedforward_layernorm\./, 'post_ffw_norm.'],
] as const;

/** A Hugging Face model's tensors as llama.cpp's converter writes them, in float32. */
export function ggufTensors(
  weights: ReadonlyMap<string, Numbers>,
  architecture: 'llama' | 'qwen2' | 'qwen3' | 'gemma3',
  headSize: number,
): GgufTensorBytes[] {
  const isGemma = architecture === 'gemma3';
  return [...weights].map(([parameter, { dims, data }]) => {
    const name = [...NAMES, ...(isGemma ? GEMMA_NAMES : LLAMA_NAMES)].reduce(
      (text, [pattern, replacement]) => text.replace(pattern, replacement),
      parameter,
    );
    let numbers = data;
    if (architecture === 'llama' && /\.attn_[qk]\./.test(name))
      numbers = halvesToNeighbours(data, dims[0] ?? 1, headSize);
    if (isGemma && /norm\./.test(name)) numbers = data.map((value) => value + 1);
    return { name, dims, type: 0, bytes: new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength) };
  });
}

/** Row i and row i + headSize / 2 of each head become rows 2i and 2i + 1. */
function halvesToNeighbours(data: Float32Array, rows: number, headSize: number): Float32Array {
  const columns = data.length / rows;
  const out = new Float32Array(data.length);
  for (let head = 0; head < rows; head += headSize)
    for (let pair = 0; pair < headSize / 2; pair++)
      for (const side of [0, 1]) {
        const from = (head + pair + (side * headSize) / 2) * columns;
        out.set(data.subarray(from, from + columns), (head + 2 * pair + side) * columns);
      }
  return out;
}
