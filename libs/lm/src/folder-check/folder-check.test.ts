import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tinyGguf } from '@solopo/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { formatAdapterConfig, initialiseLora, readModelFolder, toPeftNames, writeSafetensors } from '../index.ts';
import { checkFolder } from './folder-check.ts';

const DATA = join(import.meta.dirname, '../../../../data/models');
const LFS = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 269060552\n`;

const made: string[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-check-'));
  made.push(folder);
  cpSync(join(DATA, 'retrieval-144k'), folder, { recursive: true });
});
afterAll(() => made.forEach((each) => rmSync(each, { recursive: true })));

const put = (file: string, content: string | Buffer): void => writeFileSync(join(folder, file), content);
function change(file: string, changes: object): void {
  const json = JSON.parse(readFileSync(join(folder, file), 'utf8')) as object;
  put(file, JSON.stringify({ ...json, ...changes }));
}

describe('a model that the graphs here do not have', () => {
  it('is told as what PyTorch may have it for, with the reason as its only fault', async () => {
    change('config.json', { model_type: 'olmo2' });
    const { faults, config, foreign } = await checkFolder(folder);
    expect(config).toBeNull();
    expect(faults).toEqual([
      expect.stringMatching(/^config\.json: model_type "olmo2" is not supported; supported are "/),
    ]);
    expect(foreign).toEqual({
      reason: faults[0],
      family: 'olmo2',
      parameters: 143_360,
      maxPositions: 4096,
      heads: 4,
      vocabSize: 211,
      linearLayers: ['down_proj', 'gate_proj', 'k_proj', 'o_proj', 'q_proj', 'up_proj', 'v_proj'],
    });
  });

  it('has the linear layers of its files, whatever they are called: not its tables, norms and output', async () => {
    change('config.json', { model_type: 'gpt_neox' });
    const layer = 'gpt_neox.layers.0';
    const shapes = {
      'gpt_neox.embed_in': [211, 8],
      [`${layer}.attention.query_key_value`]: [24, 8],
      [`${layer}.attention.dense`]: [8, 8],
      [`${layer}.input_layernorm`]: [8],
      'gpt_neox.layers.1.mlp.dense_h_to_4h': [32, 8],
      'gpt_neox.layers.1.attention.dense': [8, 8],
      embed_out: [211, 8],
    };
    const zeros = Object.entries(shapes).map(([name, dims]) => {
      const data = new Float32Array(dims.reduce((product, size) => product * size));
      return [`${name}.weight`, { dims, data }] as const;
    });
    writeSafetensors(join(folder, 'model.safetensors'), new Map(zeros));
    const { foreign } = await checkFolder(folder);
    expect(foreign?.linearLayers).toEqual(['dense', 'dense_h_to_4h', 'query_key_value']);
  });

  it('has its other faults beside: a vocabulary without room, an adapter, weights that are not there', async () => {
    change('config.json', { model_type: 'olmo2', vocab_size: 5 });
    expect((await checkFolder(folder)).faults).toEqual([
      expect.stringContaining('model_type "olmo2"'),
      expect.stringMatching(/tokenizer\.json has ids up to \d+, vocab_size 5/),
    ]);
    put('adapter_config.json', '{}');
    expect(await checkFolder(folder)).toMatchObject({
      foreign: null,
      faults: [expect.anything(), expect.stringMatching(/merge the two first/)],
    });
    rmSync(join(folder, 'adapter_config.json'));
    rmSync(join(folder, 'model.safetensors'));
    expect(await checkFolder(folder)).toMatchObject({
      foreign: null,
      faults: [expect.anything(), expect.stringContaining('neither model.safetensors')],
    });
  });
});

describe('a model folder', () => {
  it('that is whole is told in all its parts', async () => {
    put('pytorch_model.bin', 'old');
    put('notes.txt', 'mine');
    const check = await checkFolder(folder);
    expect(check).toMatchObject({
      format: 'folder',
      faults: [],
      warnings: [],
      parameters: 143_360,
      adapter: null,
    });
    expect(check.ignored.map(({ file }) => file)).not.toContain('model.safetensors');
    expect(check.ignored.find(({ why }) => why.includes('stored'))).toMatchObject({ file: 'config.json' });
    expect(check.weights).toEqual({
      bytes: 573_440,
      types: [{ type: 'F32', tensors: 38, parameters: 143_360 }],
      head: 'tied',
    });
    expect(check.files.read.map(({ name }) => name)).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(Object.fromEntries(check.files.ignored.map(({ name, why }) => [name, why]))).toEqual({
      'README.md': 'about the model',
      'notes.txt': 'nothing is known to be read from it',
      'pretrain.log': 'nothing is known to be read from it',
      'pytorch_model.bin': 'weights are read from safetensors alone',
    });
    expect(check.lengths).toEqual({ maxPositions: 4096, ropeScaling: [], slidingWindow: null, modelMaxLength: null });
    expect(check.text?.sample.tokens.length).toBeGreaterThan(check.text?.sample.unknown ?? 0);
    expect(check.text?.sample.unknown).toBeGreaterThan(5);
    expect(check.transformers).toMatchObject({ fromHere: null, fromFile: null });
  });

  it('with a link to nothing, as a download that broke off leaves it, is told with it', async () => {
    symlinkSync(join(folder, 'nowhere'), join(folder, 'notes.txt'));
    rmSync(join(folder, 'tokenizer.json'));
    symlinkSync(join(folder, 'nowhere'), join(folder, 'tokenizer.json'));
    const { faults, files } = await checkFolder(folder);
    expect(faults).toEqual([expect.stringMatching(/^tokenizer\.json: missing/)]);
    expect(files.ignored.filter(({ why }) => why.startsWith('a link to a file that is not there'))).toHaveLength(2);
  });

  it('with a second table for a tied output layer says that it has no effect', async () => {
    const { weights } = readModelFolder(folder);
    weights.set('lm_head.weight', weights.get('model.embed_tokens.weight')!);
    writeSafetensors(join(folder, 'model.safetensors'), weights);
    const check = await checkFolder(folder);
    expect(check.weights?.head).toBe('tied, and stored');
    expect(check.ignored.filter(({ file }) => file !== 'config.json')).toEqual([
      {
        file: 'model.safetensors',
        what: 'lm_head.weight',
        why: expect.stringContaining('tie_word_embeddings') as string,
      },
    ]);
  });

  it('with an adapter beside the weights is both', async () => {
    const { config } = readModelFolder(folder);
    const lora = { rank: 2, alpha: 4, targets: ['q_proj'], rsLora: false } as const;
    writeSafetensors(join(folder, 'adapter_model.safetensors'), toPeftNames(initialiseLora(config, lora, 1)));
    put('adapter_config.json', JSON.stringify(formatAdapterConfig(lora, 'base')));
    expect(await checkFolder(folder)).toMatchObject({
      faults: [],
      adapter: { kind: 'LoRA', ranks: [2], modules: ['q_proj'], layers: config.layers },
    });
  });

  it('tells rope scaling, windows and lengths', async () => {
    const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 1024 };
    change('config.json', { rope_scaling: yarn });
    change('tokenizer_config.json', { model_max_length: 2048 });
    const { lengths } = await checkFolder(folder);
    expect(lengths).toMatchObject({
      ropeScaling: [{ layers: 3, scaling: { type: 'yarn', factor: 4 } }],
      modelMaxLength: 2048,
    });
    change('tokenizer_config.json', { model_max_length: 1e30 });
    expect((await checkFolder(folder)).lengths?.modelMaxLength).toBeNull();
  });

  it.each<readonly [string, () => void, RegExp]>([
    [
      'a Git LFS pointer for weights',
      () => put('model.safetensors', LFS),
      /model\.safetensors is a Git LFS pointer.*git lfs pull/,
    ],
    [
      'a Git LFS pointer for the tokenizer',
      () => put('tokenizer.json', LFS),
      /tokenizer\.json: a Git LFS pointer.*git lfs pull/,
    ],
    [
      'gptq weights',
      () => change('config.json', { quantization_config: { quant_method: 'gptq' } }),
      /quantised .*gptq.*; register/,
    ],
    ['fp8 weights', () => change('config.json', { quantization_config: { quant_method: 'fp8' } }), /quantised .*fp8/],
    ['a vision model', () => change('config.json', { vision_config: {} }), /sees images .*register its text model/],
    [
      'more ids than rows',
      () => change('generation_config.json', { eos_token_id: 999 }),
      /eos_token_id 999 is not below/,
    ],
    ['no weights', () => rmSync(join(folder, 'model.safetensors')), /neither model\.safetensors nor/],
  ])('with %s is refused with a sentence of its own, and all else is told', async (_, spoil, reason) => {
    spoil();
    const check = await checkFolder(folder);
    expect(check.faults).toEqual([expect.stringMatching(reason)]);
    expect(check.files.read.length).toBeGreaterThan(3);
    expect([check.text, check.config]).not.toEqual([null, null]);
  });

  it.each([
    ['adapter_config.json', /a PEFT adapter without its base model; put/],
    ['model.Q4_0.gguf', /holds GGUF files.*such as model\.Q4_0\.gguf/],
    ['params.json', /publisher's own format.*Hugging Face form/],
    ['tok512.bin', /solopo convert llama2c/],
  ])('without config.json that has %s is told what it is', async (file, reason) => {
    rmSync(join(folder, 'config.json'));
    put(file, '{}');
    expect((await checkFolder(folder)).faults).toEqual([expect.stringMatching(reason)]);
  });

  it('with a text file that is not UTF-8 is refused by it, not read with other letters', async () => {
    put('special_tokens_map.json', Buffer.from('{"sep_token":"\xe9"}', 'latin1'));
    const { faults } = await checkFolder(folder);
    expect(faults).toEqual([expect.stringMatching(/^special_tokens_map\.json: has bytes that are not UTF-8; /)]);
  });

  it('with added tokens that the model has no rows for was refused, and is warned of by their names', async () => {
    const { added_tokens: own } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as {
      added_tokens: object[];
    };
    const pad = { id: 211, content: '<|PAD_TOKEN|>', special: true, normalized: false };
    change('tokenizer.json', { added_tokens: [...own, pad] });
    const { faults, warnings, text } = await checkFolder(folder);
    expect([faults, text?.vocabulary]).toEqual([[], 212]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^tokenizer\.json adds <\|PAD_TOKEN\|> \(211\), for which vocab_size .*resize_token_embeddings/,
      ),
    ]);
    change('config.json', { vocab_size: 210 });
    expect((await checkFolder(folder)).faults).toContainEqual(
      expect.stringMatching(/tokenizer\.json has ids up to 211, vocab_size 210 .*; take both files from one model$/),
    );
  });

  it('whose config.json begins with a byte order mark is told so, once', async () => {
    put('config.json', `\uFEFF${readFileSync(join(folder, 'config.json'), 'utf8')}`);
    expect((await checkFolder(folder)).faults).toEqual([
      expect.stringMatching(/^config\.json: begins with a byte order mark, .*; save it as UTF-8 without one$/),
    ]);
    put('config.json', '{"model_type": ');
    expect((await checkFolder(folder)).faults).toEqual([
      expect.stringMatching(/^config\.json: not valid JSON \(.+\); fetch the file again$/),
    ]);
  });

  it('whose tokenizer transformers makes otherwise is warned of', async () => {
    change('config.json', { model_type: 'qwen2' });
    const { faults, warnings } = await checkFolder(folder);
    expect([faults, warnings]).toEqual([[], [expect.stringContaining('makes a Qwen2Tokenizer')]]);
  });
});

describe('a GGUF file', () => {
  it('is told without being dequantised', async () => {
    put('tiny.gguf', tinyGguf());
    const check = await checkFolder(join(folder, 'tiny.gguf'));
    expect(check).toMatchObject({ format: 'gguf', faults: [], parameters: 21_760, config: { family: 'llama' } });
    expect(check.weights?.types.map(({ type }) => type)).toEqual(['Q8_0', 'F32']);
    expect(check.text?.sample.prompt).toContain('user: ');
  });

  it('that is something else is refused', async () => {
    expect((await checkFolder(join(folder, 'README.md'))).faults).toEqual([expect.stringMatching(/not a GGUF file/)]);
    await expect(checkFolder(join(folder, 'nothing'))).rejects.toThrow(/is not there; name a model folder/);
  });
});
