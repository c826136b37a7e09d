import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import {
  formatAdapterConfig,
  formatModelConfig,
  GgufModel,
  initialise,
  initialiseLora,
  inspectModelFiles,
  LanguageModel,
  mergeLora,
  ModelError,
  parseModelConfig,
  readModelFolder,
  readSafetensors,
  Runtime,
  toPeftNames,
  writeSafetensors,
  type HostTensor,
  type LoraOptions,
} from './index.ts';

const runtime = new Runtime({ threads: 1 });
const config = parseModelConfig({
  model_type: 'llama',
  vocab_size: 20,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 12,
  tie_word_embeddings: true,
});
const lora: LoraOptions = { rank: 2, alpha: 4, targets: ['q_proj', 'down_proj'], rsLora: false };
const folders: string[] = [];
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-model-'));
  folders.push(folder);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(formatModelConfig(config)));
});
afterAll(async () => {
  for (const each of folders) rmSync(each, { recursive: true });
  await runtime.close();
});
const weights = (): Map<string, HostTensor> => initialise(config, { seed: 1, embeddingStd: 0.5, residualScale: 1 });
const put = (tensors: ReadonlyMap<string, HostTensor>, file = 'model.safetensors'): void =>
  writeSafetensors(join(folder, file), tensors);

/** A safetensors file from a hand-made header. */
function putRaw(header: unknown, bytes: number, claimed?: bigint): void {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(json.length));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, json, Buffer.alloc(bytes)]));
}

describe('safetensors', () => {
  test('a Git LFS pointer in its place is told', () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 269060552\n`;
    writeFileSync(join(folder, 'model.safetensors'), pointer);
    expect(() => inspectModelFiles(folder)).toThrow(/model\.safetensors is a Git LFS pointer, .*git lfs pull/);
  });

  test('what is written is read', () => {
    put(weights());
    const { tensors } = readSafetensors(join(folder, 'model.safetensors'));
    expect([...tensors]).toEqual([...weights()]);
  });

  test('bfloat16 and float16 become float32 exactly', () => {
    const halves = (words: number[]): Buffer => Buffer.from(Uint16Array.from(words).buffer);
    const header = Buffer.from(
      JSON.stringify({
        b: { dtype: 'BF16', shape: [3], data_offsets: [0, 6] },
        h: { dtype: 'F16', shape: [5], data_offsets: [6, 16] },
      }).padEnd(120),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    // 1, -2.5, 2^-126 * 1.5;  1, -2, smallest subnormal, greatest finite, infinity
    const data = [halves([0x3f80, 0xc020, 0x00c0]), halves([0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00])];
    writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, header, ...data]));
    const { tensors } = readSafetensors(join(folder, 'model.safetensors'));
    expect([...tensors.get('b')!.data]).toEqual([1, -2.5, 1.5 * 2 ** -126]);
    expect([...tensors.get('h')!.data]).toEqual([1, -2, 2 ** -24, 65504, Infinity]);
  });

  test.each([
    ['an oversized header', () => putRaw({}, 0, 2n ** 60n), /header claims/],
    ['a truncated header', () => putRaw({}, 0, 100n), /header claims 100 bytes/],
    ['a header that is not JSON', () => putRaw('{"a":', 0), /header is not a JSON object/],
    [
      'a truncated tensor',
      () => putRaw({ a: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } }, 8),
      /"a" lies outside the file/,
    ],
    [
      'offsets that do not fit the shape',
      () => putRaw({ a: { dtype: 'F32', shape: [4], data_offsets: [0, 12] } }, 16),
      /"a" of shape \[4\] needs 16 bytes/,
    ],
    [
      'overlapping tensors',
      () =>
        putRaw(
          {
            a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
            b: { dtype: 'F32', shape: [2], data_offsets: [4, 12] },
          },
          12,
        ),
      /"b" overlaps "a"/,
    ],
    ['an unknown type', () => putRaw({ a: { dtype: 'I8', shape: [4], data_offsets: [0, 4] } }, 4), /"a" has type I8/],
    [
      'a negative size',
      () => putRaw({ a: { dtype: 'F32', shape: [-1], data_offsets: [0, 4] } }, 4),
      /header entry of "a"/,
    ],
  ])('%s is refused by name', (_, make, message) => {
    make();
    expect(() => readSafetensors(join(folder, 'model.safetensors'))).toThrow(message);
  });
});

describe('a folder', () => {
  test.each([
    [
      { vocab_size: undefined },
      'vocab_size must be a positive whole number, not missing; add it, or fetch the file again',
    ],
    [{ hidden_size: 'x' }, 'hidden_size must be a positive whole number, not "x"; correct it, or fetch the file again'],
    [
      { hidden_act: 'relu' },
      'hidden_act is supported only as "silu" or "swish", not "relu"; correct it, or register another model',
    ],
  ])('whose config.json has %j is refused with what to do next', (changes, message) => {
    put(weights());
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...formatModelConfig(config), ...changes }));
    expect(() => inspectModelFiles(folder)).toThrow(`config.json: ${message}`);
  });

  test('of shards is one model', () => {
    const all = [...weights()];
    put(new Map(all.slice(0, 5)), 'model-00001-of-00002.safetensors');
    put(new Map(all.slice(5)), 'model-00002-of-00002.safetensors');
    const map = Object.fromEntries(all.map(([name], i) => [name, `model-0000${i < 5 ? 1 : 2}-of-00002.safetensors`]));
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    expect([...readModelFolder(folder).weights]).toEqual(all);
    expect(inspectModelFiles(folder).config).toEqual(config);
  });

  test('that has a tensor in two shards takes the one of the later name, whichever the index lists first', () => {
    const [first, ...others] = [...weights()] as [[string, HostTensor], ...[string, HostTensor][]];
    const [name, { dims, data }] = first;
    put(new Map([[name, { dims, data: data.map((x) => 2 * x) }], ...others]), 'a.safetensors');
    put(new Map([first]), 'b.safetensors');
    const map = { [name]: 'b.safetensors', ...Object.fromEntries(others.map(([other]) => [other, 'a.safetensors'])) };
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    expect(readModelFolder(folder).weights.get(name)).toEqual(first[1]);
  });

  test('with a PEFT adapter is base and adapter merged', () => {
    put(weights());
    const adapter = initialiseLora(config, lora, 3);
    for (const { data } of adapter.values()) data.forEach((_, i) => (data[i] = Math.sin(i)));
    put(toPeftNames(adapter), 'adapter_model.safetensors');
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(formatAdapterConfig(lora, 'base')));
    inspectModelFiles(folder);
    const merged = mergeLora(weights(), lora, adapter);
    expect([...readModelFolder(folder).weights]).toEqual([...merged]);
    expect(merged.get('model.layers.0.self_attn.q_proj.weight')).not.toEqual(
      weights().get('model.layers.0.self_attn.q_proj.weight'),
    );
    expect(new LanguageModel(config, merged, runtime).weights.size).toBe(weights().size);
  });

  test.each([
    ['LoRA', false],
    ['DoRA', true],
  ])('with a PEFT adapter whose tensors have its name in theirs was refused, and is the same: %s', (_, dora) => {
    put(weights());
    const matrices = initialiseLora(config, lora, 3);
    const lengths = [...matrices].flatMap(([name, { dims }]): [string, HostTensor][] => {
      const [layer, part] = name.split('.lora_');
      const size = dims[0] as number;
      return dora && part === 'B.weight'
        ? [[`${layer}.lora_magnitude_vector`, { dims: [size], data: new Float32Array(size) }]]
        : [];
    });
    const adapter = new Map([...matrices, ...lengths]);
    for (const { data } of adapter.values()) data.forEach((__, i) => (data[i] = Math.sin(i + 1)));
    writeFileSync(
      join(folder, 'adapter_config.json'),
      JSON.stringify({ ...formatAdapterConfig(lora, 'base'), use_dora: dora }),
    );
    put(toPeftNames(adapter), 'adapter_model.safetensors');
    const merged = [...readModelFolder(folder).weights];

    const held = [...toPeftNames(adapter)].map(
      ([name, tensor]) => [`${name.replace(/\.weight$/, '')}.default.weight`, tensor] as const,
    );
    put(new Map(held), 'adapter_model.safetensors');
    inspectModelFiles(folder);
    expect([...readModelFolder(folder).weights]).toEqual(merged);
    expect(merged).not.toEqual([...weights()]);

    put(new Map([...toPeftNames(adapter), ...held]), 'adapter_model.safetensors');
    expect(() => inspectModelFiles(folder)).toThrow(/lora_A.weight" is in adapter_model.safetensors twice/);
  });

  test.each([
    [
      'another rank',
      { ...lora, rank: 3 },
      /lora_A.weight" has shape \[2, 8\], the base model and adapter_config.json ask for \[3, 8\]/,
    ],
    [
      'other layers',
      { ...lora, targets: ['q_proj'] as const },
      /adapter tensor "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight" does not fit/,
    ],
    [
      'more layers',
      { ...lora, targets: ['q_proj', 'down_proj', 'k_proj'] as const },
      /k_proj.lora_A.weight" is missing/,
    ],
  ])('whose adapter_config.json says %s is refused by the tensor', (_, said, message) => {
    put(weights());
    put(toPeftNames(initialiseLora(config, lora, 3)), 'adapter_model.safetensors');
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(formatAdapterConfig(said, 'base')));
    expect(() => readModelFolder(folder)).toThrow(message);
    expect(() => inspectModelFiles(folder)).toThrow(message);
  });

  test('whose adapter brings a table of its own is told so, not that it has another base', () => {
    put(weights());
    const table = weights().get('model.embed_tokens.weight')!;
    const tensors = new Map([...initialiseLora(config, lora, 3), ['model.embed_tokens.weight', table]]);
    put(toPeftNames(tensors), 'adapter_model.safetensors');
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(formatAdapterConfig(lora, 'base')));
    const message =
      /model.embed_tokens.weight" is a whole table .* tokens were added; merge the adapter .*merge_and_unload/;
    expect(() => readModelFolder(folder)).toThrow(message);
    expect(() => inspectModelFiles(folder)).toThrow(message);
  });

  test.each([
    [{ peft_type: 'IA3' }, /peft_type is supported only as "LORA", not "IA3"; correct it, or merge the adapter/],
    [
      { task_type: 'SEQ_CLS' },
      /task_type is supported only as "CAUSAL_LM" or null, not "SEQ_CLS"; .* of a language model/,
    ],
    [{ bias: 'all' }, /bias is supported only as "none", not "all"; correct it, or merge the adapter/],
    [{ r: 0 }, /adapter_config.json: r must be a positive whole number, not 0; correct it, or fetch the file again/],
    [{ use_dora: true }, /lora_magnitude_vector" is missing from adapter_model.safetensors/],
    [{ lora_bias: true }, /lora_bias true is not supported: B has a bias; merge the adapter .* with PEFT/],
    [
      { alora_invocation_tokens: [5] },
      /alora_invocation_tokens \[5\] is not supported: the adapter works only on tokens from/,
    ],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save \["lm_head"\] is not supported: whole modules/],
    [
      { init_lora_weights: 'pissa' },
      /init_lora_weights "pissa" is not supported: PEFT takes .* out of every weight when it loads/,
    ],
    [{ init_lora_weights: 'pissa_niter_4' }, /"pissa_niter_4" is not supported: .* at random/],
    [{ init_lora_weights: 'corda' }, /"corda" is not supported: .* covariance/],
    [{ init_lora_weights: 'lora_ga' }, /"lora_ga" is not supported: .* gradient/],
    [{ init_lora_weights: 'loftq' }, /"loftq" is not supported: PEFT quantises the base/],
    [{ init_lora_weights: 'later' }, /"later" is not supported: it is not known/],
    [{ lora_of_a_fork: 3 }, /lora_of_a_fork 3 is not among the settings of a LoRA adapter/],
    [{ target_modules: ['c_attn'] }, /target_modules \["c_attn"\] names no module of the base model/],
    [{ target_modules: [] }, /target_modules \[\] names no module/],
    [
      { target_modules: ['q_proj', 'lm_head'] },
      /target_modules takes in "lm_head", and adapters are read only of the linear/,
    ],
    [{ target_modules: '.*norm' }, /target_modules takes in "model.layers.0.input_layernorm"/],
    [{ target_modules: '.*_proj', layers_to_transform: [0] }, /layers_to_transform goes with a list of target_modules/],
    [{ layers_to_transform: ['one'] }, /layers_to_transform must be a layer's number or a list of them/],
    [
      { rank_pattern: { q_proj: 'two' } },
      /rank_pattern: model.layers.0.self_attn.q_proj must be a positive whole number, not "two"/,
    ],
    [{ alpha_pattern: ['q_proj'] }, /alpha_pattern must map names to numbers/],
    [{ target_modules: '(q' }, /target_modules: the regular expression "\(q" cannot be read/],
  ])('whose adapter has %j is refused', (changes, message) => {
    put(weights());
    put(toPeftNames(initialiseLora(config, lora, 3)), 'adapter_model.safetensors');
    writeFileSync(
      join(folder, 'adapter_config.json'),
      JSON.stringify({ ...formatAdapterConfig(lora, 'base'), ...changes }),
    );
    expect(() => readModelFolder(folder)).toThrow(message);
    expect(() => inspectModelFiles(folder)).toThrow(message);
  });
});

describe('an OLoRA adapter', () => {
  const bring = (base: Map<string, HostTensor>, options: LoraOptions): void => {
    put(base);
    put(toPeftNames(initialiseLora(config, options, 3)), 'adapter_model.safetensors');
    const settings = { ...formatAdapterConfig(options, 'base'), init_lora_weights: 'olora' };
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(settings));
  };

  test('without effect of its own leaves the base without the span of its first columns', () => {
    bring(weights(), { ...lora, targets: ['down_proj'], alpha: lora.rank });
    const name = 'model.layers.0.mlp.down_proj.weight';
    const { data, dims } = readModelFolder(folder).weights.get(name)!;
    const base = weights().get(name)!.data;
    const inputs = dims[1] as number;
    // At scale 1 nothing is left of the first columns, and the others are orthogonal to what they were.
    for (let column = 0; column < inputs; column++) {
      const left = Array.from({ length: dims[0] as number }, (_, i) => data[i * inputs + column]!);
      for (const first of [0, 1])
        expect(left.reduce((sum, x, i) => sum + x * base[i * inputs + first]!, 0)).toBeCloseTo(0, 6);
      if (column < 2) expect(Math.max(...left.map(Math.abs))).toBeLessThan(1e-6);
    }
  });

  test('on columns that depend on each other is refused: what it takes out is not determined', () => {
    const base = weights();
    const name = 'model.layers.0.self_attn.q_proj.weight';
    const { data, dims } = base.get(name)!;
    for (let i = 0; i < dims[0]!; i++) data[i * dims[1]! + 1] = 2 * data[i * dims[1]!]!;
    bring(base, lora);
    expect(() => readModelFolder(folder)).toThrow(
      /first columns of "model.layers.0.self_attn.q_proj.weight" depend on/,
    );
  });

  test('of a rank above that of the weight is refused', () => {
    bring(weights(), { ...lora, rank: 9 });
    expect(() => readModelFolder(folder)).toThrow(/of shape \[8, 8\] has no basis of 9 columns/);
  });
});

describe('tensors beside the parameters', () => {
  test('buffers of a type that is not read elsewhere are left aside', () => {
    put(weights());
    const file = join(folder, 'model.safetensors');
    const { tensors } = readSafetensors(file);
    const header: Record<string, unknown> = {};
    let offset = 0;
    for (const [name, { dims, data }] of tensors) {
      header[name] = { dtype: 'F32', shape: dims, data_offsets: [offset, offset + 4 * data.length] };
      offset += 4 * data.length;
    }
    header['model.position_ids'] = { dtype: 'I64', shape: [1, 2], data_offsets: [offset, offset + 16] };
    header['model.layers.0.self_attn.masked_bias'] = {
      dtype: 'BOOL',
      shape: [],
      data_offsets: [offset + 16, offset + 17],
    };
    putRaw(header, offset + 17);
    expect(inspectModelFiles(folder).ignored).toEqual(['model.position_ids', 'model.layers.0.self_attn.masked_bias']);
    expect(readModelFolder(folder).weights.size).toBe(tensors.size);
  });

  test('that are neither parameters nor buffers are refused by name', () => {
    put(weights().set('model.layers.0.self_attn.sinks', { dims: [2], data: new Float32Array(2) }));
    expect(() => inspectModelFiles(folder)).toThrow(
      /"model.layers.0.self_attn.sinks" does not belong to a llama model/,
    );
  });

  test('an output table that is missed is told with tie_word_embeddings', () => {
    put(weights());
    const untied = { ...formatModelConfig(config), tie_word_embeddings: false };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(untied));
    expect(() => inspectModelFiles(folder)).toThrow(/"lm_head.weight" is missing .* set tie_word_embeddings to true/);
  });
});

describe('a model of another kind', () => {
  test.each([
    ['fp8', { quantization_config: { quant_method: 'fp8' } }, /weights are quantised \(quantization_config, fp8\)/],
    ['GPTQ', { quantization_config: { quant_method: 'gptq', bits: 4 } }, /\(quantization_config, gptq\)/],
    ['AWQ', { quantization_config: { quant_method: 'awq' } }, /\(quantization_config, awq\)/],
    [
      'bitsandbytes',
      { quantization_config: { quant_method: 'bitsandbytes' } },
      /\(quantization_config, bitsandbytes\)/,
    ],
    ['one that sees', { model_type: 'gemma3', vision_config: { image_size: 896 }, text_config: {} }, /sees images/],
  ])('is told by its kind: %s', (_, changes, message) => {
    put(weights());
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...formatModelConfig(config), ...changes }));
    expect(() => inspectModelFiles(folder)).toThrow(message);
  });

  test('is not one whose settings of these kinds are null', () => {
    put(weights());
    const settings = { ...formatModelConfig(config), quantization_config: null, vision_config: null };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(settings));
    expect(inspectModelFiles(folder).config).toEqual(config);
  });
});

test.each(['config.json', 'model.safetensors', 'model.safetensors.index.json'])(
  'a folder in the place of %s is told as one',
  (name) => {
    const into = join(folder, name);
    rmSync(into, { force: true });
    mkdirSync(into);
    expect(() => inspectModelFiles(folder)).toThrow(ModelError);
    expect(() => inspectModelFiles(folder)).toThrow(`${name}: not a file`);
  },
);

test('an index that names a folder as a file of weights is told so', () => {
  rmSync(join(folder, 'model.safetensors'), { force: true });
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: '..' } }));
  expect(() => readModelFolder(folder)).toThrow(ModelError);
  expect(() => GgufModel.open(folder)).toThrow(ModelError);
});
