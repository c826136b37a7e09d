// One measurement in a process of its own: `node measure.mjs NAME JSON`, its figures as the last line of the output. What
// crashes or runs out of memory is then one figure that is missing, not the whole report.
import { consume, float32, packTrees, PreferenceTrainer, readGradients, Runtime, sample, scoreTrees } from '@solopo/lm';
import { Graph } from '@solopo/onnx-graph';
import { blockOn, corner, timed } from './block.mjs';
import { STEP } from './cases.mjs';
import { modelOf, tokens } from './models.mjs';

const [name, given = '{}'] = process.argv.slice(2);
const options = JSON.parse(given);
const { device, threads = 1, maxDeviceMemoryBytes, runs = 5 } = options;
const runtimeOn = (where) =>
  new Runtime({ threads, device: where, ...(maxDeviceMemoryBytes && { maxDeviceMemoryBytes }) });

/** Greatest difference, as a part of the greatest value. */
const difference = (actual, expected) => {
  const scale = Math.max(...expected.map(Math.abs), 1e-9);
  return Math.max(...expected.map((value, i) => Math.abs(value - actual[i]))) / scale;
};

const MEASURES = {
  /** Log-probabilities and every gradient against the processor's, of the tiny shape. */
  async parity() {
    const results = {};
    for (const adapter of [false, true]) {
      const passes = [];
      for (const where of ['cpu', device]) {
        const model = modelOf('tiny', runtimeOn(where), { adapter });
        const batch = packTrees([{ prompt: tokens(24, 1, 512), branches: [tokens(8, 2, 512), tokens(8, 3, 512)] }]);
        const sums = new Map();
        const logps = await consume(await model.forward(batch), async (activations) => {
          const { logps } = await model.targetLogps(activations);
          await model.backward(
            activations,
            Float32Array.from(logps, (_, i) => Math.cos(i)),
            sums,
          );
          return logps;
        });
        passes.push({ logps, gradients: await readGradients(model.runtime, sums) });
      }
      const [expected, actual] = passes;
      const gradients = [...expected.gradients].map(([parameter, gradient]) =>
        difference(actual.gradients.get(parameter), gradient),
      );
      results[adapter ? 'adapter' : 'all'] = {
        logps: difference(actual.logps, expected.logps),
        gradients: Math.max(...gradients),
        compared: gradients.length,
      };
    }
    const passed = Object.values(results).every(({ logps, gradients }) => logps < 1e-3 && gradients < 1e-3);
    return { limit: 1e-3, passed, ...results };
  },

  /** The device's own rate of a product of matrices, the operands staying there. */
  async matmul({ size, dtype = 'float32' }) {
    const runtime = runtimeOn(device);
    const graph = () => {
      const g = new Graph('matmul');
      g.output('y', g.matMul(g.input('a', dtype, [size, size]), g.input('b', dtype, [size, size])));
      return g;
    };
    const operand = await random(runtime, [size, size], dtype);
    const one = async () => (await runtime.run('matmul', graph, { a: operand, b: operand })).y;
    const several = 8;
    const { seconds } = await timed(runs, async () => {
      let last;
      for (let i = 0; i < several; i++) {
        if (last) runtime.free(last);
        last = await one();
      }
      // Reading one number waits for all of it.
      await corner(runtime, last);
      runtime.free(last);
    });
    return { size, dtype, teraflops: (several * 2 * size ** 3) / seconds / 1e12 };
  },

  block: ({ shape, length, frozenWeights }) => blockOn(runtimeOn(device), { shape, length, runs, frozenWeights }),

  /** A step of SoLoPO with an adapter on one pair, the prompts shared by its responses. */
  async step({ shape, short, long, response, layers, frozenWeights }) {
    const model = modelOf(shape, runtimeOn(device), { layers, frozenWeights });
    const vocabulary = model.config.vocabSize;
    const pair = {
      short: tokens(short, 1, vocabulary),
      long: tokens(long, 2, vocabulary),
      chosen: tokens(response, 3, vocabulary),
      rejected: tokens(response, 4, vocabulary),
      reference: { shortChosen: -12 * response, shortRejected: -12 * response },
    };
    const trainer = new PreferenceTrainer(model, STEP(long + short + 4 * response));
    let result;
    const { seconds } = await timed(runs, async () => (result = await trainer.takeStep([pair])));
    const { bytes } = model.runtime.allocated;
    return {
      shape,
      layers: model.config.layers,
      short,
      long,
      response,
      seconds,
      tokens: result.policyTokens,
      loss: result.metrics.loss,
      bytesKept: bytes,
    };
  },

  async score({ shape, length, response, layers, frozenWeights }) {
    const model = modelOf(shape, runtimeOn(device), { layers, adapter: false, frozenWeights });
    const { vocabSize } = model.config;
    const trees = [
      {
        prompt: tokens(length, 1, vocabSize),
        branches: [tokens(response, 2, vocabSize), tokens(response, 3, vocabSize)],
      },
    ];
    const { seconds } = await timed(runs, () => scoreTrees(model, trees, { batchTokens: 1 }));
    return {
      shape,
      layers: model.config.layers,
      length,
      response,
      seconds,
      tokensPerSecond: (length + 2 * response) / seconds,
    };
  },

  async sample({ shape, length, samples, newTokens, layers }) {
    const model = modelOf(shape, runtimeOn(device), { layers, adapter: false });
    const prompts = [{ tokens: tokens(length, 1, model.config.vocabSize), key: [1, 2] }];
    const given = { samplesPerPrompt: samples, temperature: 1, topP: 1, maxNewTokens: newTokens, eosIds: [], seed: 1 };
    const { seconds } = await timed(runs, () => sample(model, prompts, given));
    return {
      shape,
      layers: model.config.layers,
      length,
      samples,
      newTokens,
      seconds,
      tokensPerSecond: (samples * newTokens) / seconds,
    };
  },
};

async function random(runtime, dims, dtype) {
  const numbers = float32(
    Float32Array.from({ length: dims[0] * dims[1] }, (_, i) => Math.sin(i)),
    dims,
  );
  const graph = () => {
    const g = new Graph('operand');
    g.output('y', g.cast(g.input('x', 'float32', dims), dtype));
    return g;
  };
  return (await runtime.run('operand', graph, { x: numbers })).y;
}

try {
  const measure = MEASURES[name];
  if (!measure) throw new Error(`there is no measure "${name}"`);
  console.log(JSON.stringify({ ok: true, result: await measure(options) }));
} catch (error) {
  console.log(
    JSON.stringify({ ok: false, error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }),
  );
}
process.exit(0);
