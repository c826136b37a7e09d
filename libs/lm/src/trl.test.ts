import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import {
  LanguageModel,
  PreferenceTrainer,
  Runtime,
  scoreTrees,
  sumOf,
  type PreferenceOptions,
  type TrainingPair,
} from './index.ts';

/**
 * Ten steps of TRL 1.16's DPOTrainer (PyTorch 2.15, transformers 5.23) on the bundled model, made by
 * tools/parity/trl_curve.py: the same token ids, AdamW, clipping and learning rates, reference recomputed by TRL.
 */
interface Curve {
  readonly settings: {
    readonly beta: number;
    readonly adam_beta1: number;
    readonly adam_beta2: number;
    readonly max_grad_norm: number;
  };
  readonly pairs: readonly { readonly prompt: number[]; readonly chosen: number[]; readonly rejected: number[] }[];
  readonly steps: readonly Readonly<Record<string, number>>[];
  readonly weights: Readonly<Record<string, number>>;
}

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const curve = JSON.parse(readFileSync(path('fixtures/trl-dpo-curve.json'), 'utf8')) as Curve;
const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

/** Metrics of TRL's log, and how far this engine's may be off. */
const LIMITS: Readonly<Record<string, number>> = {
  loss: 1e-4,
  grad_norm: 1e-2,
  'rewards/chosen': 1e-4,
  'rewards/rejected': 1e-4,
  'rewards/margins': 1e-4,
  'rewards/accuracies': 0,
  'logps/chosen': 1e-3,
  'logps/rejected': 1e-3,
  'logits/chosen': 1e-3,
  'logits/rejected': 1e-3,
  entropy: 1e-3,
  mean_token_accuracy: 1e-6,
};

test("ten steps of DPO are TRL's ten steps, to the fourth digit", async () => {
  const model = LanguageModel.fromFolder(path('../../../data/models/retrieval-144k'), runtime);
  const scores = await scoreTrees(
    model,
    curve.pairs.map(({ prompt, chosen, rejected }) => ({
      prompt: Int32Array.from(prompt),
      branches: [Int32Array.from(chosen), Int32Array.from(rejected)],
    })),
    { batchTokens: 8192 },
  );
  const pairs = curve.pairs.map(({ prompt, chosen, rejected }, i): TrainingPair => ({
    short: Int32Array.from(prompt),
    chosen: Int32Array.from(chosen),
    rejected: Int32Array.from(rejected),
    reference: { shortChosen: sumOf(scores[i]![0]!), shortRejected: sumOf(scores[i]![1]!) },
  }));

  const { beta, adam_beta1, adam_beta2, max_grad_norm } = curve.settings;
  let trainer: PreferenceTrainer | undefined;
  for (const [index, expected] of curve.steps.entries()) {
    // TRL's schedule starts its warm-up at 0; here each step takes TRL's own rate, through a trainer resumed from the last.
    const options: PreferenceOptions = {
      arm: 'short',
      objective: { kind: 'dpo', beta, loss: 'sigmoid', labelSmoothing: 0 },
      alignment: {
        alpha: 0,
        reference: 'shared',
        distance: 'absolute',
        sides: 'two',
        detach: 'short',
        deadZone: 0,
        fraction: 1,
      },
      optimizer: { betas: [adam_beta1, adam_beta2], epsilon: 1e-8, weightDecay: 0 },
      schedule: {
        learningRate: expected['learning_rate']!,
        schedule: 'constant',
        warmupRatio: 0,
        finalLearningRateRatio: 1,
      },
      clipNorm: max_grad_norm,
      microBatchTokens: 100_000,
      steps: curve.steps.length,
    };
    trainer = new PreferenceTrainer(
      model,
      options,
      trainer && { step: trainer.step, tensors: await trainer.optimizerTensors() },
    );
    const { metrics } = await trainer.takeStep(pairs.slice(8 * index, 8 * (index + 1)));
    for (const [name, limit] of Object.entries(LIMITS)) {
      const difference = Math.abs((metrics[name] ?? NaN) - expected[name]!);
      expect(
        difference,
        `step ${index + 1}, ${name}: ${metrics[name]} here, ${expected[name]} there`,
      ).toBeLessThanOrEqual(limit);
    }
  }
  for (const [name, { data }] of model.weights) {
    const norm = Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));
    expect(Math.abs(norm / curve.weights[name]! - 1), name).toBeLessThan(1e-5);
  }
});
