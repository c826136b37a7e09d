import { afterAll, expect, test } from 'vitest';
import {
  initialise,
  inspectResponse,
  LanguageModel,
  packTrees,
  parseModelConfig,
  Runtime,
  scoreTrees,
  type InspectedRow,
} from './index.ts';
import { layerKind } from './model-config.ts';
import { hostFloats, type Tensor } from './tensor.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const shape = {
  vocab_size: 50,
  hidden_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 40,
  rope_theta: 100,
};
const CONFIGS = {
  qwen2: parseModelConfig({ ...shape, model_type: 'qwen2' }),
  'mistral with a window of 9': parseModelConfig({ ...shape, model_type: 'mistral', sliding_window: 9 }),
};
type Name = keyof typeof CONFIGS;
const NAMES = Object.keys(CONFIGS) as Name[];

const modelOf = (name: Name): LanguageModel =>
  new LanguageModel(
    CONFIGS[name],
    initialise(CONFIGS[name], { seed: 2, embeddingStd: 0.9, residualScale: 1 }),
    runtime,
  );
const ids = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 3) % 50);
// More queries than one chunk holds.
const row: InspectedRow = {
  prompt: ids(40, 1),
  response: ids(70, 2),
  evidence: [
    { start: 5, end: 12 },
    { start: 30, end: 33 },
  ],
};

/** The same by its definition: one softmax after another, in double precision. */
async function direct(model: LanguageModel, { prompt, response, evidence }: InspectedRow): Promise<number[][]> {
  const { heads, kvHeads: G, headSize: K, queryScale } = model.config;
  const R = heads / G;
  const layers: { queries: Tensor; keys: Tensor }[] = [];
  const batch = { ...packTrees([{ prompt, branches: [response] }]), readFrom: 0 };
  await model.prefill(batch, ({ queries, keys }) => {
    layers.push({ queries, keys });
    return [queries, keys];
  });
  const T = prompt.length + response.length;
  return layers.map(({ queries, keys }, layer) => {
    const window = layerKind(model.config, layer).slidingWindow ?? T;
    const [q, k] = [hostFloats(queries), hostFloats(keys)];
    const mass = [0, 0, 0];
    for (let head = 0; head < heads; head++)
      for (let t = prompt.length - 1; t < T - 1; t++) {
        const scores: number[] = [];
        for (let u = Math.max(0, t - window + 1); u <= t; u++) {
          let score = 0;
          for (let i = 0; i < K; i++)
            score += q[(t * heads + head) * K + i]! * k[(Math.floor(head / R) * T + u) * K + i]!;
          scores[u] = queryScale * score;
        }
        const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
        const total = scores.reduce((sum, score) => sum + Math.exp(score - most), 0);
        scores.forEach((score, u) => {
          const isEvidence = evidence.some(({ start, end }) => start <= u && u < end);
          mass[u >= prompt.length ? 2 : isEvidence ? 0 : 1]! += Math.exp(score - most) / total;
        });
      }
    return mass.map((sum) => sum / heads / response.length);
  });
}

test.each(NAMES)('the attention of a %s on evidence, prompt and response adds up to 1', async (name) => {
  const { attention } = await inspectResponse(modelOf(name), row);
  expect(attention).toHaveLength(3);
  for (const { evidence, rest, response } of attention) expect(evidence + rest + response).toBeCloseTo(1, 5);
});

test.each(NAMES)('the attention of a %s equals its definition, computed directly', async (name) => {
  const model = modelOf(name);
  const { attention } = await inspectResponse(model, row);
  const expected = await direct(model, row);
  attention.forEach(({ evidence, rest, response }, layer) =>
    [evidence, rest, response].forEach((value, group) =>
      expect(value, `layer ${layer}, group ${group}`).toBeCloseTo(expected[layer]![group]!, 5),
    ),
  );
  // Not all the same, or a wrong layer would pass.
  expect(Math.abs(expected[0]![0]! - expected[2]![0]!)).toBeGreaterThan(1e-4);
});

test('the log-probabilities are those of scoring', async () => {
  const model = modelOf('qwen2');
  const [[logps] = []] = await scoreTrees(model, [{ prompt: row.prompt, branches: [row.response] }], {
    batchTokens: 1,
  });
  expect([...(await inspectResponse(model, row)).logps]).toEqual([...logps!]);
});
