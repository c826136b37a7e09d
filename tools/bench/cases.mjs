// One measured case: node tools/bench/cases.mjs NAME OPTIONS-AS-JSON. Prints its figures as one line of JSON.
import { resourceUsage } from 'node:process';
import {
  freeGradients,
  packSequences,
  packTrees,
  PreferenceTrainer,
  Runtime,
  sample,
  scoreTrees,
  zeroGradients,
} from '@solopo/lm';
import { encodeModel, Graph } from '@solopo/onnx-graph';
import * as ort from 'onnxruntime-node';
import { headWork, passWork } from './work.mjs';
import { model, shape, tokens, TRAINING } from './model.mjs';

/** Seconds of each run after the warm-up. */
async function seconds({ warmup = 1, runs = 3 }, work) {
  const measured = [];
  for (let i = 0; i < warmup + runs; i++) {
    const started = performance.now();
    await work();
    if (i >= warmup) measured.push((performance.now() - started) / 1000);
  }
  return measured;
}

/** Multiply-adds a second of a warm product of T x d by an input of d x f. */
async function matMulRate({ T, threads, ...times }, { hiddenSize: d, intermediateSize: f }) {
  const g = new Graph('matmul');
  g.output('y', g.matMul(g.input('a', 'float32', ['T', d]), g.input('b', 'float32', [d, f])));
  const session = await ort.InferenceSession.create(encodeModel(g), { intraOpNumThreads: threads });
  const tensor = (rows, columns) =>
    new ort.Tensor(
      'float32',
      Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i)),
      [rows, columns],
    );
  const feeds = { a: tensor(T, d), b: tensor(d, f) };
  const measured = await seconds(times, () => session.run(feeds));
  await session.release();
  return (T * d * f) / median(measured);
}

/** Median seconds of a forward pass, and of the backward pass that takes its activations. */
async function passes({ runs, warmup }, lm, { batch, dLogps }) {
  const forward = [];
  const backward = [];
  for (let i = -warmup; i < runs; i++) {
    const gradients = new Map();
    const started = performance.now();
    const activations = await lm.forward(batch);
    const turned = performance.now();
    await lm.backward(activations, dLogps, gradients);
    const ended = performance.now();
    activations.free();
    freeGradients(lm.runtime, gradients);
    if (i < 0) continue;
    forward.push((turned - started) / 1000);
    backward.push((ended - turned) / 1000);
  }
  return { forward: median(forward), backward: median(backward) };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Forward and backward of both responses on the long context, each with a prompt of its own, as other trainers do it. */
async function rowsApart(lm, { long, chosen, rejected }) {
  const gradients = zeroGradients(lm.trainable);
  let policyTokens = 0;
  for (const response of [chosen, rejected]) {
    const activations = await lm.forward(packTrees([{ prompt: long, branches: [response] }]));
    const { logps } = await lm.targetStats(activations);
    await lm.backward(activations, new Float32Array(logps.length).fill(1), gradients);
    policyTokens += activations.batch.tokenCount;
  }
  return policyTokens;
}

const CASES = {
  /** Passes through one layer, and the product that they are measured against. */
  async block(options) {
    const { T, threads } = options;
    const config = shape({ layers: 1, vocabulary: 1000 });
    const runtime = new Runtime({ threads });
    const matMul = await matMulRate(options, config);
    // One target is enough: the head is not what is measured.
    const packed = packSequences([tokens(config, T)]);
    const work = { batch: { ...packed, targets: packed.targets.slice(-1) }, dLogps: Float32Array.of(1) };
    const none = await passes(options, model(config, runtime, { recompute: 'none' }), work);
    const all = await passes(options, model(config, runtime, { recompute: 'all' }), work);
    return { matMul, passes: { none, all } };
  },

  /** A gradient step of an arm on one pair, the reference's scores given. */
  async step(options) {
    const { threads, short, long, response, arm = 'solo', aligned = true, recompute = 'auto' } = options;
    const { pairs = 1, apart = false, frozenWeights = 'float32', backward = 'full' } = options;
    const config = shape(options);
    const runtime = new Runtime({ threads });
    const lm = model(config, runtime, { recompute, frozenWeights });
    const alignment = { ...TRAINING.alignment, backward };
    const trainer = new PreferenceTrainer(lm, { ...TRAINING, arm, alignment });
    const pair = {
      short: tokens(config, short, 1),
      long: tokens(config, long, 2),
      chosen: tokens(config, response, 3),
      rejected: tokens(config, response, 4),
      aligned,
      reference: {
        shortChosen: -1500,
        shortRejected: -1500,
        longChosen: -1500,
        longRejected: -1500,
      },
    };
    let policyTokens = 0;
    const measured = await seconds(options, async () => {
      if (apart) policyTokens = await rowsApart(lm, pair);
      else ({ policyTokens } = await trainer.takeStep(new Array(pairs).fill(pair)));
    });
    // The trees of the arm: the prompt's tokens and the responses' of each.
    const trees =
      arm === 'solo' ? [[short, 2 * response], ...(aligned ? [[long, response]] : [])] : [[long, 2 * response]];
    // Of what the whole long row takes, whatever of it has a gradient.
    const multiplyAdds = trees.reduce((sum, [prompt, targets]) => {
      const pass = passWork(config, prompt + targets, { outputs: targets + 1 });
      const again = recompute === 'all' ? pass.recompute : 0;
      return sum + pass.forward + again + pass.backward + headWork(config, targets);
    }, 0);
    return { seconds: measured, policyTokens, multiplyAdds };
  },

  /** Reference log-probabilities of the rows that the `solo` arm reads, one pair. */
  async score(options) {
    const { threads, short, long, response, frozenWeights = 'float32' } = options;
    const config = shape(options);
    const lm = model(config, new Runtime({ threads }), { lora: false, frozenWeights });
    const [chosen, rejected] = [tokens(config, response, 3), tokens(config, response, 4)];
    const trees = [
      { prompt: tokens(config, short, 1), branches: [chosen, rejected] },
      { prompt: tokens(config, long, 2), branches: [chosen] },
    ];
    return {
      seconds: await seconds(options, () => scoreTrees(lm, trees, { batchTokens: 1 })),
      tokens: short + long + 3 * response,
    };
  },

  /** Answers to one prompt. */
  async sample(options) {
    const { threads, prompt, samples, newTokens, frozenWeights = 'float32' } = options;
    const config = shape(options);
    const lm = model(config, new Runtime({ threads }), { lora: false, frozenWeights });
    const prompts = [{ tokens: tokens(config, prompt, 1), key: [1, 2] }];
    return {
      seconds: await seconds(options, () =>
        sample(lm, prompts, {
          samplesPerPrompt: samples,
          temperature: 0.85,
          topP: 1,
          maxNewTokens: newTokens,
          eosIds: [],
          seed: 1,
        }),
      ),
      tokens: samples * newTokens,
    };
  },
};

const [, , name, options] = process.argv;
const result = await CASES[name](JSON.parse(options));
console.log(
  JSON.stringify({
    ...result,
    ...(result.seconds && { medianSeconds: median(result.seconds) }),
    peakBytes: resourceUsage().maxRSS * 1024,
  }),
);
process.exit(0);
