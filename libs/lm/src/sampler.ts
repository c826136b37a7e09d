import type { Prompt, Sample, SamplingOptions } from './answer-stream.ts';
import { inBatches } from './batches.ts';
import { answerContinuously, type BatchLimits } from './continuous-batch.ts';
import { answerInBatch } from './fixed-batch.ts';
import type { LanguageModel } from './language-model.ts';
import { ModelError } from './model.error.ts';

export interface SamplingLimits extends BatchLimits {
  /** Where tensors stay on a device: tokens, padding counted, that one batch holds. Default: all prompts are one. */
  readonly batchTokens?: number | undefined;
}

/**
 * Samples answers with a key-value cache. A prompt is run once; its samples share its keys and values. Each draw takes the
 * random number of (seed, prompt key, sample, position).
 *
 * On the processor prompts take each other's place as their answers end; elsewhere they go in batches, each of which goes on until
 * its longest answer ends.
 *
 * @returns for each of the first prompts `samplesPerPrompt` samples; for all of them unless the time (`sliceMs`) was over
 */
export async function sample(
  model: LanguageModel,
  prompts: readonly Prompt[],
  options: SamplingOptions,
  limits: SamplingLimits = {},
): Promise<Sample[][]> {
  const { samplesPerPrompt, maxNewTokens } = options;
  const narrowest = Math.min(...model.config.layerKinds.map(({ slidingWindow }) => slidingWindow ?? Infinity));
  if (maxNewTokens > narrowest)
    throw new ModelError(
      `${maxNewTokens} new tokens are more than this model's sliding window of ${narrowest}; lower maxNewTokens`,
    );
  if (model.answersContinuously) return answerContinuously(model, prompts, options, limits);
  const { batchTokens = Infinity, sliceMs = Infinity, onAnswered } = limits;
  const samples: Sample[][] = [];
  const began = performance.now();
  // A prompt's answers are counted as if each carried it: their attention reads it every time.
  await inBatches(
    prompts,
    ({ tokens }) => tokens.length + samplesPerPrompt * maxNewTokens,
    batchTokens,
    async (group) => {
      samples.push(...(await answerInBatch(model, group, options)));
      onAnswered?.(samples.length);
    },
    () => performance.now() - began >= sliceMs,
  );
  return samples;
}
