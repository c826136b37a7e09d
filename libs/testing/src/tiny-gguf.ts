import { ggufBytes, type GgufTensorBytes } from './gguf.ts';

const F32 = 0;
const Q8_0 = 8;
const BLOCK = 32;
const [HIDDEN, HEADS, KV_HEADS, HEAD_SIZE, INTERMEDIATE, LAYERS] = [32, 2, 1, 16, 64, 2];

/** ASCII, as byte-pair encoding writes it: Ġ is a space and Ċ a new line. */
const TOKENS = [...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), 'Ġ', 'Ċ', 'he', 'Ġt', '<|end|>'];
const END = TOKENS.length - 1;
const TEMPLATE =
  "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";

/** A whole GGUF file of a very small Llama with random weights, its matrices in Q8_0: some 20 kB. */
export function tinyGguf(): Buffer {
  const random = randomBytes();
  const matrix = (name: string, rows: number, columns: number): GgufTensorBytes => {
    const bytes = Buffer.alloc(((rows * columns) / BLOCK) * (2 + BLOCK));
    for (let at = 0; at < bytes.length; at += 2 + BLOCK) {
      bytes.writeUInt16LE(0x1400, at); // 2^-10 as float16
      for (let i = 0; i < BLOCK; i++) bytes[at + 2 + i] = random();
    }
    return { name: `${name}.weight`, dims: [rows, columns], type: Q8_0, bytes };
  };
  const norm = (name: string): GgufTensorBytes => {
    const ones = new Float32Array(HIDDEN).fill(1);
    return { name: `${name}.weight`, dims: [HIDDEN], type: F32, bytes: new Uint8Array(ones.buffer) };
  };
  const layer = (n: number): GgufTensorBytes[] => [
    norm(`blk.${n}.attn_norm`),
    matrix(`blk.${n}.attn_q`, HEADS * HEAD_SIZE, HIDDEN),
    matrix(`blk.${n}.attn_k`, KV_HEADS * HEAD_SIZE, HIDDEN),
    matrix(`blk.${n}.attn_v`, KV_HEADS * HEAD_SIZE, HIDDEN),
    matrix(`blk.${n}.attn_output`, HIDDEN, HEADS * HEAD_SIZE),
    norm(`blk.${n}.ffn_norm`),
    matrix(`blk.${n}.ffn_gate`, INTERMEDIATE, HIDDEN),
    matrix(`blk.${n}.ffn_up`, INTERMEDIATE, HIDDEN),
    matrix(`blk.${n}.ffn_down`, HIDDEN, INTERMEDIATE),
  ];
  return ggufBytes(
    {
      'general.architecture': 'llama',
      'general.file_type': 7,
      'llama.block_count': LAYERS,
      'llama.context_length': 4096,
      'llama.embedding_length': HIDDEN,
      'llama.feed_forward_length': INTERMEDIATE,
      'llama.attention.head_count': HEADS,
      'llama.attention.head_count_kv': KV_HEADS,
      'llama.attention.layer_norm_rms_epsilon': 1e-5,
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'smollm',
      'tokenizer.ggml.tokens': TOKENS,
      'tokenizer.ggml.token_type': TOKENS.map((_, id) => (id === END ? 3 : 1)),
      'tokenizer.ggml.merges': ['h e', 'Ġ t'],
      'tokenizer.ggml.eos_token_id': END,
      'tokenizer.chat_template': TEMPLATE,
    },
    [
      matrix('token_embd', TOKENS.length, HIDDEN),
      ...Array.from({ length: LAYERS }, (_, n) => layer(n)).flat(),
      norm('output_norm'),
    ],
  );
}

/** The same ones every time: a linear congruential generator's high bits. */
function randomBytes(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
}
