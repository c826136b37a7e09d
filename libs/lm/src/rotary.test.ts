import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import {
  formatModelConfig,
  initialise,
  LanguageModel,
  packTrees,
  parseModelConfig,
  Runtime,
  sample,
  scoreTrees,
  sumOf,
  type LayerKind,
} from './index.ts';
import { rotaryFrequencies, RotaryTable } from './rotary.ts';

/** What transformers 5.24 makes of each config.json; made by tools/parity/rope.py. */
interface Case {
  readonly name: string;
  readonly config: Record<string, unknown>;
  readonly sequenceLength: number;
  readonly frequencies: readonly number[];
  readonly attentionFactor: number;
}

const cases = JSON.parse(
  readFileSync(fileURLToPath(new URL('fixtures/rope-frequencies.json', import.meta.url)), 'utf8'),
) as Case[];
const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const shape = {
  model_type: 'llama',
  vocab_size: 50,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 40,
  head_dim: 8,
  rope_theta: 100,
};
const ids = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 3) % 50);

describe.each(cases)('$name', ({ config: json, sequenceLength, frequencies, attentionFactor }) => {
  const config = parseModelConfig(json);

  test('frequencies and attention factor are those of transformers', () => {
    const { headSize } = config;
    const [rope] = config.layerKinds as [LayerKind];
    const { ropeTheta, ropeScaling } = rope;
    const own = rotaryFrequencies(headSize, ropeTheta, ropeScaling, sequenceLength);
    expect(own.length).toBe(frequencies.length);
    own.forEach((frequency, i) => expect(Math.abs(frequency / frequencies[i]! - 1), `pair ${i}`).toBeLessThan(2e-6));
    // At position 0 every cosine is the factor itself.
    const { cos, sin } = new RotaryTable(headSize, rope).at(0, sequenceLength);
    expect(cos[0]).toBeCloseTo(attentionFactor, 6);
    expect(sin[0]).toBe(0);
    const { cos: cos7, sin: sin7 } = new RotaryTable(headSize, rope).at(7, sequenceLength);
    expect(cos7[3]).toBeCloseTo(attentionFactor * Math.cos(7 * frequencies[3]!), 5);
    expect(sin7[3]).toBeCloseTo(attentionFactor * Math.sin(7 * frequencies[3]!), 5);
  });

  test('an exported config.json reads as the same model', () => {
    expect(parseModelConfig(JSON.parse(JSON.stringify(formatModelConfig(config))))).toEqual(config);
  });
});

describe('dynamic scaling', () => {
  const config = parseModelConfig({
    ...shape,
    max_position_embeddings: 20,
    rope_scaling: { rope_type: 'dynamic', factor: 3 },
  });
  const model = new LanguageModel(
    config,
    initialise(config, { seed: 3, embeddingStd: 0.7, residualScale: 1 }),
    runtime,
  );

  test('a table gives the same angles whatever was asked of it before', () => {
    const fresh = (position: number, length: number) => new RotaryTable(8, config.layerKinds[0]!).at(position, length);
    const used = new RotaryTable(8, config.layerKinds[0]!);
    for (const length of [30, 10, 50, 20, 50, 21])
      for (const position of [0, 5, 9]) expect(used.at(position, length)).toEqual(fresh(position, length));
    expect(fresh(9, 20)).toEqual(fresh(9, 10));
    expect(fresh(9, 21)).not.toEqual(fresh(9, 20));
  });

  test('responses of different lengths share a prompt only while their sequences fit the original positions', () => {
    const pack = (prompt: number, ...branches: number[]) =>
      packTrees([{ prompt: ids(prompt, 1), branches: branches.map((length) => ids(length, 2)) }], model.packing);
    expect(pack(12, 3, 8).rows).toBe(1);
    expect(pack(12, 3, 9).rows).toBe(2);
    expect(pack(12, 9, 9)).toMatchObject({ rows: 1, sequenceLengths: Int32Array.of(21) });
    expect(pack(12, 9, 4)).toMatchObject({ rows: 2, sequenceLengths: Int32Array.of(21, 16) });
  });

  test('a pair scored together has the log-probabilities of its responses scored apart', async () => {
    const prompt = ids(18, 1);
    const branches = [ids(12, 2), ids(5, 3)];
    const [together] = await scoreTrees(model, [{ prompt, branches }], { batchTokens: 1000 });
    for (const [i, branch] of branches.entries()) {
      const [alone] = await scoreTrees(model, [{ prompt, branches: [branch] }], { batchTokens: 1000 });
      together![i]!.forEach((logp, t) => expect(logp).toBeCloseTo(alone![0]![t]!, 5));
    }
  });

  test('with the prompt scored too, its tokens are those of the first response', async () => {
    const tree = { prompt: ids(18, 1), branches: [ids(12, 2), ids(5, 3)] };
    const batch = packTrees([tree], { ...model.packing, scorePrompt: true });
    const alone = packTrees([{ ...tree, branches: [tree.branches[0]!] }], { ...model.packing, scorePrompt: true });
    const logps = async (trees: typeof batch) => (await model.targetLogps(await model.forward(trees))).logps;
    expect(batch.targets.length).toBe(12 + 5 + 17);
    const [own, expected] = [await logps(batch), await logps(alone)];
    own.slice(-17).forEach((logp, t) => expect(logp).toBeCloseTo(expected.slice(-17)[t]!, 5));
  });

  test('sampling within the original positions gives the log-probabilities of a full pass', async () => {
    const prompt = ids(8, 4);
    const [samples] = await sample(model, [{ tokens: prompt, key: [1, 2] }], {
      samplesPerPrompt: 1,
      temperature: 1.5,
      topP: 1,
      maxNewTokens: 12,
      eosIds: [],
      seed: 5,
    });
    const { tokens, logp } = samples![0]!;
    const [scores] = await scoreTrees(model, [{ prompt, branches: [tokens] }], { batchTokens: 1000 });
    expect(logp).toBeCloseTo(sumOf(scores![0]!), 3);
  });
});

test.each([
  [{ rope_scaling: { rope_type: 'longrope' } }, /"longrope" is not supported; supported are default, linear, dynamic/],
  [{ rope_parameters: { rope_type: 'proportional' } }, /rope scaling "proportional" is not supported/],
  [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor is supported only as 1 or null, not 0.5/],
  [
    { rope_parameters: { partial_rotary_factor: 0.5 } },
    /rope_parameters: partial_rotary_factor is supported only as 1/,
  ],
  [{ rope_scaling: { type: 'yarn' } }, /rope_scaling: factor must be a positive number, not missing/],
  [{ rope_scaling: { type: 'yarn', factor: 2, beta_fast: 'x' } }, /beta_fast must be a positive number, not "x"/],
  [
    { max_position_embeddings: 64, rope_scaling: { type: 'dynamic', factor: 2, original_max_position_embeddings: 32 } },
    /original_max_position_embeddings is supported only as 64 or null, not 32/,
  ],
])('%j is refused by name', (changes, message) => {
  expect(() => parseModelConfig({ ...shape, ...changes })).toThrow(message);
});
