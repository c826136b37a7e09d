import { afterAll, beforeAll, expect, test } from 'vitest';
import { LanguageModel, LORA_TARGETS, parseModelConfig, Runtime, type Adapter } from './index.ts';
import { EMBEDDING, OUTPUT } from './parameter-names.ts';
import { ParameterStore } from './parameter-store.ts';
import { REFERENCE_MODELS, referenceAdapter, referenceWeights } from './testing/reference-models.fixture.ts';
import { hadamard, TurnedWeights } from './turned-weights.ts';

let runtime: Runtime;
beforeAll(() => void (runtime = new Runtime({ threads: 1 })));
afterAll(() => runtime.close());

const sizes = { hidden_size: 48, head_dim: 8, intermediate_size: 96, vocab_size: 64, max_position_embeddings: 4096 };

test.each([
  ...['llama', 'mistral', 'qwen2', 'qwen3', 'gemma3'].map((name) => [name, {}] as const),
  ['llama', { attention_bias: true, mlp_bias: true, tie_word_embeddings: false }] as const,
])(
  '%s %j: with turned weights that are not rounded it is the same model, and so is its adapter',
  async (name, keys) => {
    const config = parseModelConfig({ ...REFERENCE_MODELS[name], ...sizes, ...keys });
    const weights = referenceWeights(config, 1);
    const lora = { rank: 2, alpha: 8, targets: LORA_TARGETS, rsLora: false };
    const adapter: Adapter = { options: lora, weights: referenceAdapter(config, lora, 3) };

    const turned = new TurnedWeights(config, weights);
    const tensors = new Map([...weights].map(([parameter, tensor]) => [parameter, turned.of(parameter, tensor)]));
    if (config.tiedEmbeddings) tensors.set(OUTPUT, turned.of(OUTPUT, weights.get(EMBEDDING)!));
    const store = new ParameterStore(runtime, tensors, { exact: [...tensors.keys()], turned });
    const plain = new LanguageModel(config, weights, runtime);
    const same = new LanguageModel(config, store, runtime, null, { samplingWeights: 'int8' });
    const expected = await nextLogits(plain);
    const greatest = Math.max(...expected.map(Math.abs));
    expect(difference(await nextLogits(same), expected)).toBeLessThan(1e-5 * greatest);
    const adapted = await nextLogits(plain.withAdapter(adapter));
    expect(difference(await nextLogits(same.withAdapter(adapter)), adapted)).toBeLessThan(1e-5 * greatest);
    expect(difference(adapted, expected)).toBeGreaterThan(1e-2 * greatest);
  },
);

async function nextLogits(model: LanguageModel): Promise<number[]> {
  const prompt = Int32Array.from({ length: 20 }, (_, i) => (i * 7) % 64);
  const decoder = await model.decoder();
  return runtime.scoped(async (scope) => {
    const { hidden, lastRows } = await decoder.prefill(scope, [prompt]);
    return [...(await model.predict(hidden, lastRows, 'logits'))];
  });
}

const difference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

test('H is orthogonal, its own inverse, and spreads one number over a row', () => {
  const h = hadamard(8);
  for (let i = 0; i < 8; i++)
    for (let j = 0; j < 8; j++) {
      const product = Array.from({ length: 8 }, (_, k) => h[i * 8 + k]! * h[k * 8 + j]!).reduce((sum, x) => sum + x, 0);
      expect(product).toBeCloseTo(i === j ? 1 : 0, 6);
      expect(Math.abs(h[i * 8 + j]!)).toBeCloseTo(1 / Math.sqrt(8), 6);
    }
});
