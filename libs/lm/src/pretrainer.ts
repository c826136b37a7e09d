import { AdamW, clipFactor, type AdamWOptions } from './adamw.ts';
import { freeGradients, type Gradients } from './gradients.ts';
import { consume } from './activations.ts';
import type { LanguageModel } from './language-model.ts';
import { LossNotFiniteError } from './preference-trainer.ts';
import { learningRateAt, type ScheduleOptions } from './schedule.ts';
import { groupByTokens } from './batches.ts';
import { packSequences } from './tree-batch.ts';

/** A sequence and the weight of predicting each of its tokens (the first one's is not used). */
export interface WeightedSequence {
  readonly tokens: Int32Array;
  readonly weights: Float32Array;
}

export interface PretrainOptions {
  readonly optimizer: AdamWOptions;
  readonly schedule: ScheduleOptions;
  readonly clipNorm: number;
  readonly microBatchTokens: number;
  readonly steps: number;
}

/** Next-token pretraining: minimises the weighted mean of -log p(token | before). */
export class Pretrainer {
  readonly #optimizer: AdamW;

  constructor(
    readonly model: LanguageModel,
    readonly options: PretrainOptions,
  ) {
    this.#optimizer = new AdamW(options.optimizer, model.trained);
  }

  async takeStep(
    sequences: readonly WeightedSequence[],
  ): Promise<{ step: number; loss: number; gradNorm: number; tokens: number }> {
    const { schedule, steps, clipNorm, microBatchTokens } = this.options;
    const step = this.#optimizer.step + 1;
    const gradients: Gradients = new Map();
    const total = sequences.reduce((sum, { weights }) => sum + weights.subarray(1).reduce((a, b) => a + b, 0), 0);
    const sorted = sequences.toSorted((a, b) => a.tokens.length - b.tokens.length);
    let loss = 0;
    let tokens = 0;
    for (const group of groupByTokens(sorted, (sequence) => sequence.tokens.length, microBatchTokens)) {
      const packed = packSequences(group.map((sequence) => sequence.tokens));
      const weightOf = weightsOf(group);
      const keep = packed.targets.map((_, i) => i).filter((i) => weightOf[i] !== 0);
      const targets = keep.map((i) => packed.targets[i]!);
      const readFrom = targets.reduce((first, { index }) => Math.min(first, index % packed.length), packed.length - 1);
      const batch = { ...packed, readFrom, targets };
      const weights = Float32Array.from(keep, (i) => weightOf[i]! / total);
      await consume(await this.model.forward(batch), async (activations) => {
        const { logps } = await LossNotFiniteError.of(step, () => this.model.targetLogps(activations));
        logps.forEach((logp, i) => (loss -= logp * weights[i]!));
        if (!Number.isFinite(loss)) throw new LossNotFiniteError(step, 'the loss');
        await this.model.backward(
          activations,
          weights.map((weight) => -weight),
          gradients,
        );
      });
      tokens += batch.tokenCount;
    }
    const gradNorm = await this.#optimizer.gradientNorm(gradients);
    if (!Number.isFinite(gradNorm)) throw new LossNotFiniteError(step, 'the gradient');
    await this.#optimizer.update(gradients, learningRateAt(schedule, step, steps), clipFactor(gradNorm, clipNorm));
    freeGradients(this.model.runtime, gradients);
    return { step, loss, gradNorm, tokens };
  }
}

function weightsOf(group: readonly WeightedSequence[]): number[] {
  return group.flatMap(({ weights }) => Array.from(weights.subarray(1)));
}
