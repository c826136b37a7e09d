import { blockDecode } from './block.graph.ts';
import { extend, Stream, type Prompt, type Sample, type SamplingOptions } from './answer-stream.ts';
import type { LanguageModel } from './language-model.ts';
import { float32, type Tensor } from './tensor.ts';
import { outputIndex, packTrees, type TreeBatch } from './tree-batch.ts';

/** Answers to a batch of prompts, which goes on until the longest of them ends. Where tensors stay on a device. */
export async function answerInBatch(
  model: LanguageModel,
  prompts: readonly Prompt[],
  options: SamplingOptions,
): Promise<Sample[][]> {
  const { samplesPerPrompt: n } = options;
  const batch = packTrees(prompts.map(({ tokens }) => ({ prompt: tokens, branches: [] })));
  const caches: Cache[] = [];
  const activations = await model.prefill(batch, ({ keys, values }) => {
    caches.push({ keys, values });
    return [keys, values];
  });
  const streams = prompts.flatMap((prompt) => Array.from({ length: n }, (_, index) => new Stream(prompt, index)));
  try {
    await decode(model, { batch, caches, output: activations.output }, prompts, streams, options);
  } finally {
    activations.free();
  }
  return prompts.map((_, row) => streams.slice(row * n, (row + 1) * n).map((stream) => stream.sample()));
}

interface Cache {
  readonly keys: Tensor;
  readonly values: Tensor;
}

async function decode(
  model: LanguageModel,
  prefilled: { readonly batch: TreeBatch; readonly caches: readonly Cache[]; readonly output: Tensor },
  prompts: readonly Prompt[],
  streams: readonly Stream[],
  options: SamplingOptions,
): Promise<void> {
  const { batch, caches } = prefilled;
  const { samplesPerPrompt: n, maxNewTokens } = options;
  const { layers, layerKinds, kvHeads, headSize } = model.config;
  const rows = prompts.length;
  // A session that holds weights is one more copy of them: with no tokens of its own, the first one goes through the others'.
  const none = float32(new Float32Array(0), [rows, n, kvHeads, 0, headSize]);
  const nothing = model.runtime.weightsInSessions ? { keys: none, values: none } : undefined;
  const lengths = prompts.map(({ tokens }) => tokens.length);

  /** Hides padding, and what lies before the sliding window of the token at `step`. */
  const promptBias = (step: number, window: number | null): Tensor => {
    const bias = new Float32Array(rows * batch.length);
    lengths.forEach((length, row) => {
      const hiddenKeys = window === null ? 0 : Math.max(0, Math.min(length, length + step - window));
      bias.fill(-1e30, row * batch.length, row * batch.length + hiddenKeys);
      bias.fill(-1e30, row * batch.length + length, (row + 1) * batch.length);
    });
    return float32(bias, [rows, 1, 1, batch.length]);
  };

  // The first token of every sample comes from its prompt's last hidden state.
  await extend(
    model,
    streams,
    prefilled.output,
    lengths.flatMap((length, row) => new Array<number>(n).fill(outputIndex(batch, row * batch.length + length - 1))),
    options,
  );

  const all = streams.map((_, i) => i);
  const fixedBias = promptBias(0, null);
  await model.runtime.scoped(async (scope) => {
    let own: Cache[] = [];
    for (let step = 1; step < maxNewTokens && streams.some(({ open }) => open); step++) {
      const positions = Int32Array.from(streams, (_, i) => (lengths[Math.floor(i / n)] as number) + step - 1);
      // As transformers generates: keys stay rotated by the length that the sequence had when they were made.
      const sequenceLengths = Int32Array.from(lengths, (length) => length + step);
      const feeds: Record<string, Tensor>[] = [];
      for (const kind of layerKinds) {
        const { cos, sin } = model.rotary(kind, positions, sequenceLengths, n);
        const bias = kind.slidingWindow === null ? fixedBias : promptBias(step, kind.slidingWindow);
        feeds.push({
          cos: await scope.upload(cos),
          sin: await scope.upload(sin),
          prompt_bias: await scope.upload(bias),
        });
      }
      let h = await model.embed(
        scope,
        Int32Array.from(streams, (stream) => stream.last),
        [rows, n],
      );
      const grown: Cache[] = [];
      for (let layer = 0; layer < layers; layer++) {
        const cache = caches[layer] as Cache;
        const mine = own[layer] ?? nothing;
        const { feeds: ofLayer, weights } = await model.layerWeights(layer);
        const outputs = await scope.run(
          `block-decode ${mine === undefined} ${JSON.stringify(model.shape)}`,
          () => blockDecode(model.shape, { first: mine === undefined }),
          {
            ...ofLayer,
            ...(feeds[model.config.kindOfLayer[layer] as number] as Record<string, Tensor>),
            h,
            prompt_keys: cache.keys,
            prompt_values: cache.values,
            ...(mine ? { own_keys: mine.keys, own_values: mine.values } : {}),
          },
          [],
          weights,
        );
        scope.free(h, ...(mine ? [mine.keys, mine.values] : []));
        h = outputs.h_out as Tensor;
        grown.push({ keys: outputs.own_keys_out as Tensor, values: outputs.own_values_out as Tensor });
      }
      own = grown;
      await extend(model, streams, h, all, options);
      scope.free(h, ...feeds.flatMap((feed) => Object.values(feed)));
    }
  });
}
