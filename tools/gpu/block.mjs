// Forward and backward of one block on a device, and what the same runs take queued back to back.
import { packTrees } from '@solopo/lm';
import { Graph } from '@solopo/onnx-graph';
import { modelOf, tokens } from './models.mjs';

/** Forward and backward of one block, and what the same runs take queued back to back. */
export async function blockOn(runtime, { shape, length, runs, frozenWeights }) {
  const recorder = recording(runtime);
  const model = modelOf(shape, recorder.runtime, { layers: 1, vocabulary: 512, frozenWeights });
  const tree = { prompt: tokens(length - 1, 1, 512), branches: [tokens(1, 2, 512)] };
  // The block's whole output.
  const batch = { ...packTrees([tree]), readFrom: 0 };
  const forward = await timed(runs, async () => {
    const activations = await model.forward(batch);
    await corner(recorder.runtime, activations.output);
    activations.free();
  });
  const pass = async () => {
    const sums = new Map();
    const activations = await model.forward(batch);
    await model.backward(activations, new Float32Array(batch.targets.length).fill(1), sums);
    await corner(recorder.runtime, [...sums.values()].at(-1));
    activations.free();
    for (const sum of sums.values()) recorder.runtime.free(sum);
  };
  await pass();
  const dispatches = await recorder.record(pass);
  const queue = () => recorder.replay();
  await queue();
  // In turns, and the fastest of each: other work on the machine only ever adds to a time.
  const both = [];
  const queued = [];
  for (let i = 0; i < runs; i++) {
    both.push(await secondsOf(pass));
    queued.push(await secondsOf(queue));
  }
  const { hiddenSize: d, heads, kvHeads, headSize, intermediateSize: f } = model.config;
  const multiplyAdds = 2 * length * d * (2 * heads * headSize + 2 * kvHeads * headSize + 3 * f);
  return {
    shape,
    length,
    forwardSeconds: Math.min(...forward.runs),
    forwardAndBackwardSeconds: Math.min(...both),
    // Of the products with frozen weights alone, forward and of dx.
    teraflops: (2 * multiplyAdds) / Math.min(...both) / 1e12,
    dispatches,
    queuedSeconds: Math.min(...queued),
    ratioToQueued: Math.min(...both) / Math.min(...queued),
    rounds: { forwardAndBackwardSeconds: both, queuedSeconds: queued },
  };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Median seconds of `runs` warm runs. */
export async function timed(runs, work) {
  await work();
  const seconds = [];
  for (let i = 0; i < runs; i++) seconds.push(await secondsOf(work));
  return { seconds: median(seconds), runs: seconds };
}

async function secondsOf(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** One number of a tensor: it is there when everything before it is done. */
export async function corner(runtime, tensor) {
  const rank = tensor.dims.length;
  await runtime.run(
    `corner ${rank} ${tensor.type}`,
    () => {
      const g = new Graph('corner');
      let x = g.input(
        'x',
        tensor.type,
        tensor.dims.map((_, axis) => `D${axis}`),
      );
      for (let axis = 0; axis < rank; axis++) x = g.slice(x, axis, g.int64s([0]), g.int64s([1]), 1);
      g.output('y', g.cast(x, 'float32'));
      return g;
    },
    { x: tensor },
    ['y'],
  );
}

/** A runtime that can note the runs of a piece of work, with their inputs kept, and queue them again. */
function recording(runtime) {
  const { run, free } = runtime;
  let calls = null;
  const kept = [];
  runtime.run = (...call) => {
    calls?.push(call);
    return run.apply(runtime, call);
  };
  runtime.free = (tensor) => (calls ? void kept.push(tensor) : free.call(runtime, tensor));
  const noted = [];
  return {
    runtime,
    async record(work) {
      calls = noted;
      await work();
      calls = null;
      return noted.length;
    },
    async replay() {
      for (const call of noted)
        for (const output of Object.values(await run.apply(runtime, call))) free.call(runtime, output);
    },
  };
}
