import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  LanguageModel,
  outputIndex,
  packTrees,
  readSafetensors,
  sample,
  readGradients,
  zeroGradients,
  type HostTensor,
  type LanguageModelOptions,
  type Runtime,
} from '../index.ts';
import {
  digestOf,
  referenceDerivatives,
  referenceModel,
  REFERENCE_SAMPLED_TOKENS,
  REFERENCE_TREES,
} from './reference-models.fixture.ts';

/** What tools/parity/families.py got from transformers and PEFT. */
interface Expected {
  readonly logps: readonly (readonly number[])[];
  readonly sums: readonly number[];
  readonly means: readonly number[];
}
interface ExpectedModel {
  readonly digest: string;
  readonly base: Expected & { readonly logits: readonly (readonly number[])[] };
  readonly adapted: Expected;
  readonly greedy: readonly number[];
  readonly greedyLogp: number;
}

/** From `src/testing` and from `dist/testing` alike. */
export const fixture = (file: string): string => fileURLToPath(new URL(`../../src/fixtures/${file}`, import.meta.url));
const expectedModels = JSON.parse(readFileSync(fixture('families.json'), 'utf8')) as Record<string, ExpectedModel>;
const expectedGradients = readSafetensors(fixture('families.safetensors')).tensors;

/** Greatest differences between this engine and the Python tools. */
export interface FamilyDifferences {
  /** Of a token's, a response's summed and its mean log-probability, and of a logit. */
  readonly logps: number;
  readonly sums: number;
  readonly means: number;
  readonly logits: number;
  /** Norm of the difference over the norm, of the tensor where it is greatest. */
  readonly gradients: number;
  readonly adaptedLogps: number;
  readonly adaptedGradients: number;
  /** Whether the same tokens are sampled, and of their log-probability as the key-value cache gives it. */
  readonly sampled: boolean;
  readonly sampledLogp: number;
}

export async function familyDifferences(
  runtime: Runtime,
  name: string,
  options: LanguageModelOptions = {},
): Promise<FamilyDifferences> {
  const { config, weights, lora, adapter } = referenceModel(name);
  const expected = expectedModels[name];
  if (!expected || expected.digest !== digestOf(new Map([...weights, ...adapter])))
    throw new Error(`the fixture is of another model "${name}"; make it again as tools/parity/README.md says`);

  const base = new LanguageModel(config, weights, runtime, null, options);
  const own = await measure(base);
  const logits = await firstLogits(base);
  const adapted = new LanguageModel(config, weights, runtime, { options: lora, weights: adapter }, options);
  const ownAdapted = await measure(adapted);
  const [samples] = await sample(base, [{ tokens: REFERENCE_TREES[0]!.prompt, key: [0, 0] }], {
    samplesPerPrompt: 1,
    // As greedy sampling, but with the log-probability.
    temperature: 1,
    topP: 1e-9,
    maxNewTokens: REFERENCE_SAMPLED_TOKENS,
    eosIds: [],
    seed: 0,
  });
  const means = (rows: readonly number[][]): number[] => sums(rows).map((sum, i) => sum / rows[i]!.length);
  return {
    logps: farthest(own.logps.flat(), expected.base.logps.flat()),
    sums: farthest(sums(own.logps), expected.base.sums),
    means: farthest(means(own.logps), expected.base.means),
    logits: farthest(logits, expected.base.logits.flat()),
    gradients: worstGradient(own.gradients, expectedGradients.get(`${name}/base`)),
    adaptedLogps: farthest(ownAdapted.logps.flat(), expected.adapted.logps.flat()),
    adaptedGradients: worstGradient(ownAdapted.gradients, expectedGradients.get(`${name}/adapter`)),
    sampled: samples![0]!.tokens.join() === expected.greedy.join(),
    sampledLogp: Math.abs(samples![0]!.logp - expected.greedyLogp),
  };
}

/** Log-probabilities by response, and the gradient of their weighted sum. */
async function measure(
  model: LanguageModel,
): Promise<{ logps: number[][]; gradients: ReadonlyMap<string, Float32Array> }> {
  const batch = packTrees(REFERENCE_TREES, model.packing);
  const activations = await model.forward(batch);
  const { logps } = await model.targetLogps(activations);
  const gradients = zeroGradients(model.trainable);
  await model.backward(activations, referenceDerivatives(logps.length), gradients);
  const rows = REFERENCE_TREES.flatMap(({ branches }, tree) =>
    branches.map((_, branch) => [...logps].filter((_logp, i) => isOf(batch.targets[i]!, tree, branch))),
  );
  return { logps: rows, gradients: await readGradients(model.runtime, gradients) };
}

/** The logits that predict the first response's tokens. */
async function firstLogits(model: LanguageModel): Promise<number[]> {
  const batch = packTrees(REFERENCE_TREES, model.packing);
  const { output } = await model.infer(batch);
  const places = batch.targets.filter((target) => isOf(target, 0, 0)).map(({ index }) => outputIndex(batch, index));
  return [...(await model.predict(output, places, 'logits'))];
}

const isOf = (target: { readonly tree: number; readonly branch: number }, tree: number, branch: number): boolean =>
  target.tree === tree && target.branch === branch;

const sums = (rows: readonly number[][]): number[] => rows.map((row) => row.reduce((sum, x) => sum + x, 0));

/** The greatest absolute difference. */
export function farthest(own: readonly number[], expected: readonly number[]): number {
  if (own.length !== expected.length) throw new RangeError(`${own.length} numbers, not ${expected.length}`);
  return own.reduce((worst, x, i) => Math.max(worst, Math.abs(x - expected[i]!)), 0);
}

/** The greatest |own - expected| / |expected|, in Euclidean norms, of all tensors; `expected` has them one after another. */
export function worstGradient(own: ReadonlyMap<string, Float32Array>, expected: HostTensor | undefined): number {
  const size = [...own.values()].reduce((sum, { length }) => sum + length, 0);
  if (expected?.data.length !== size)
    throw new RangeError(`${expected?.data.length} numbers in the fixture, ${size} here`);
  const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  let offset = 0;
  return [...own.values()].reduce((worst, gradient) => {
    const theirs = expected.data.subarray(offset, (offset += gradient.length));
    const difference = gradient.map((x, i) => x - theirs[i]!);
    // A gradient that is all but zero is compared in absolute terms.
    return Math.max(worst, norm(difference) / Math.max(norm(theirs), 1e-4));
  }, 0);
}
