import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ggufBytes, ggufTensors, type GgufTensorBytes } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatModelConfig, initialise, parseModelConfig, readModelFolder, type ModelConfig } from '../index.ts';
import { neighboursToHalves } from '../rotary-rows.ts';
import { rotaryFrequencies } from '../rotary.ts';
import { GgufModel } from './gguf-model.ts';

type Metadata = Parameters<typeof ggufBytes>[0];
type Name = Parameters<typeof ggufTensors>[1];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-gguf-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const SHAPE = {
  vocab_size: 40,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  intermediate_size: 64,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 100_000,
};

/** What llama.cpp's converter says of such a model. */
function described(name: Name, own: Metadata = {}): Metadata {
  const facts: Metadata = {
    block_count: 2,
    context_length: 512,
    embedding_length: 32,
    feed_forward_length: 64,
    'attention.head_count': 4,
    'attention.head_count_kv': 2,
    'attention.key_length': 8,
    'attention.layer_norm_rms_epsilon': 1e-5,
    'rope.freq_base': 100_000,
    ...own,
  };
  return {
    'general.architecture': name,
    'general.file_type': 0,
    ...Object.fromEntries(Object.entries(facts).map(([key, value]) => [`${name}.${key}`, value])),
  };
}

const LLAMA = parseModelConfig({ ...SHAPE, model_type: 'llama', tie_word_embeddings: true });
const weightsOf = (config: ModelConfig) => initialise(config, { seed: 3, embeddingStd: 0.5, residualScale: 1 });
const tensorsOf = (config: ModelConfig, name: Name) => ggufTensors(weightsOf(config), name, 8);

function written(bytes: Uint8Array): string {
  const path = join(folder, 'model.gguf');
  writeFileSync(path, bytes);
  return path;
}

/** As a folder, read back. */
function converted(bytes: Uint8Array): ReturnType<typeof readModelFolder> {
  const path = written(bytes);
  const model = GgufModel.open(path);
  try {
    const source = { format: 'gguf', file_type: model.fileType, sha256: '0'.repeat(64) } as const;
    writeFileSync(join(folder, 'config.json'), JSON.stringify(model.formatConfig(source)));
    model.writeWeights(join(folder, 'model.safetensors'));
  } finally {
    model.close();
  }
  return readModelFolder(folder);
}

describe('a model of each family comes back from GGUF', () => {
  const families: readonly (readonly [Name, object, Metadata])[] = [
    ['llama', { model_type: 'llama', tie_word_embeddings: true }, {}],
    ['llama', { model_type: 'llama', attention_bias: false, tie_word_embeddings: false }, {}],
    ['qwen2', { model_type: 'qwen2', tie_word_embeddings: true }, {}],
    ['qwen3', { model_type: 'qwen3', tie_word_embeddings: true }, {}],
    [
      'gemma3',
      { model_type: 'gemma3_text', sliding_window: 32, query_pre_attn_scalar: 8, tie_word_embeddings: true },
      { 'attention.sliding_window': 32 },
    ],
  ];
  test.each(families)('%s %j', (name, settings, own) => {
    const config = parseModelConfig({ ...SHAPE, ...settings });
    const model = converted(ggufBytes(described(name, own), tensorsOf(config, name)));
    expect(formatModelConfig(model.config)).toEqual(formatModelConfig(config));
    for (const [parameter, { dims, data }] of weightsOf(config)) {
      const read = model.weights.get(parameter);
      expect([parameter, read?.dims, [...(read?.data ?? [])]]).toEqual([parameter, dims, [...data]]);
    }
  });
});

test('rows of a head are put from neighbouring rotary pairs into halves', () => {
  expect([...neighboursToHalves(Float32Array.of(0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15), 12, 6)]).toEqual([
    0, 2, 4, 1, 3, 5, 10, 12, 14, 11, 13, 15,
  ]);
});

describe('rotary scaling', () => {
  const rope = (own: Metadata, more: readonly GgufTensorBytes[] = []) =>
    converted(ggufBytes(described('llama', own), [...tensorsOf(LLAMA, 'llama'), ...more])).config.layerKinds[0]
      ?.ropeScaling;

  test('linear and yarn are read as they are', () => {
    expect(rope({ 'rope.scaling.type': 'linear', 'rope.scaling.factor': 4 })).toEqual({
      type: 'linear',
      factor: 4,
    });
    const yarn = { 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4, 'rope.scaling.original_context_length': 128 };
    expect(rope(yarn)).toMatchObject({ type: 'yarn', factor: 4, originalPositions: 128, betaFast: 32 });
  });

  const llama3 = {
    type: 'llama3',
    factor: 32,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalPositions: 8192,
  } as const;
  const divisors = (scaled: Float64Array): GgufTensorBytes => {
    const plain = rotaryFrequencies(8, 100_000, null);
    const numbers = Float32Array.from(plain, (frequency, pair) => frequency / (scaled[pair] ?? 1));
    return { name: 'rope_freqs.weight', dims: [4], type: 0, bytes: new Uint8Array(numbers.buffer) };
  };

  test("Llama 3's is found by its divisors, and others are refused", () => {
    const scaled = rotaryFrequencies(8, 100_000, llama3);
    expect(rope({}, [divisors(scaled)])).toEqual(llama3);
    expect(() => rope({}, [divisors(scaled.map((f, i) => (i === 1 ? f / 2 : f)))])).toThrow(
      /rope_freqs\.weight is not Llama 3's scaling/,
    );
  });
});

describe('a file that is not a model we read is refused by name', () => {
  const tensors = () => tensorsOf(LLAMA, 'llama');
  const whole = () => ggufBytes(described('llama'), tensors());
  const oneOf = (change: Partial<GgufTensorBytes>) => ggufBytes(described('llama'), [{ ...tensors()[0]!, ...change }]);
  const refused: readonly (readonly [string, () => Uint8Array, RegExp])[] = [
    [
      'an architecture',
      () => ggufBytes({ 'general.architecture': 'mamba' }, []),
      /architecture "mamba" is not supported; supported are llama, qwen2/,
    ],
    ['a tensor type', () => oneOf({ type: 19 }), /tensor "token_embd\.weight" has type IQ1_S; read are F32, F16, Q4_0/],
    ['a tensor type of later times', () => oneOf({ type: 99 }), /has type number 99/],
    ['a version', () => ggufBytes({}, [], { version: 1 }), /GGUF version 1; read are 2 and 3/],
    ['a big-endian file', () => whole().fill(0, 4, 8).fill(3, 7, 8), /big-endian; convert it/],
    [
      'a file cut off in its tensors',
      () => whole().subarray(0, -100),
      /cut off: tensor ".*" ends at byte \d+, the file has \d+; download/,
    ],
    ['a file cut off in its description', () => whole().subarray(0, 300), /cut off: its description ends at byte 300/],
    ['a file cut off in its first bytes', () => whole().subarray(0, 6), /cut off/],
    ['an empty file', () => new Uint8Array(), /not a GGUF file/],
    ['something else', () => Buffer.from('PK\u0003\u0004 and so on'), /not a GGUF file, which begins with GGUF/],
    [
      'a Git LFS pointer',
      () => Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'),
      /a Git LFS pointer.*git lfs pull/,
    ],
    ['a damaged count', () => whole().fill(255, 8, 12), /4294967295 tensors; the file is damaged/],
    [
      'a piece of a model',
      () => ggufBytes({ ...described('llama'), 'split.count': 3 }, tensors()),
      /one piece of several/,
    ],
    [
      'a missing setting',
      () => ggufBytes({ 'general.architecture': 'llama' }, tensors()),
      /llama\.block_count must be a number, not missing/,
    ],
    [
      'partial rotation',
      () => ggufBytes(described('llama', { 'rope.dimension_count': 4 }), tensors()),
      /rope\.dimension_count must be the head size 8, not 4/,
    ],
    [
      'an unknown scaling',
      () => ggufBytes(described('llama', { 'rope.scaling.type': 'longrope', 'rope.scaling.factor': 2 }), tensors()),
      /rope\.scaling\.type must be none, linear or yarn/,
    ],
    [
      'a missing tensor',
      () => ggufBytes(described('llama'), tensors().slice(0, -1)),
      /tensor "output_norm\.weight" is missing/,
    ],
    [
      'a tensor too many',
      () => ggufBytes(described('llama'), [...tensors(), { ...tensors()[0]!, name: 'blk.0.ffn_gate_inp.weight' }]),
      /"blk\.0\.ffn_gate_inp\.weight" does not belong/,
    ],
    [
      'another shape',
      () => ggufBytes(described('llama', { feed_forward_length: 65 }), tensors()),
      /shape \[64, 32\], its metadata asks for \[65, 32\]/,
    ],
    [
      'rows that are no blocks',
      () => oneOf({ dims: [40, 31], type: 2 }),
      /rows of 31, which Q4_0 cannot hold in blocks of 32/,
    ],
  ];
  test.each(refused)('%s', (_, bytes, message) => {
    const path = written(bytes());
    expect(() => GgufModel.open(path)).toThrow(message);
    expect(() => GgufModel.open(path)).toThrow(/^model\.gguf: /);
  });

  test('a file that is not there', () => {
    expect(() => GgufModel.open(join(folder, 'none.gguf'))).toThrow(/none\.gguf: cannot be read/);
  });
});
