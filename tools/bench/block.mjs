// Forward and backward of a Qwen2.5-0.5B-shaped block with LoRA against a bare warm MatMul in the same process, in
// executed multiply-adds a second.
import { encodeModel, Graph } from '@solopo/onnx-graph';
import { freeGradients, packSequences, Runtime } from '@solopo/lm';
import * as ort from 'onnxruntime-node';
import { blockOn } from '../gpu/block.mjs';
import { figure } from './figure.mjs';
import { model, shape, tokens } from './model.mjs';
import { passWork } from './work.mjs';

const config = shape({ layers: 1, vocabulary: 1000 });
const { hiddenSize: d, intermediateSize: f } = config;

export async function block({ quick, threads, device = 'cpu' }) {
  if (device !== 'cpu') return blockOnDevice({ quick, threads, device });
  const runtime = new Runtime({ threads });
  const figures = [];
  for (const T of quick ? [512, 2048] : [512, 2048, 8192]) {
    const runs = T > 4096 ? 3 : 7;
    const matMul = await matMulRate(T, threads, runs);
    figures.push(figure(`T ${T}: MatMul ${T} x ${d} x ${f}`, matMul / 1e9, 'Gmadd/s'));
    const work = passWork(config, T);
    // One target is enough: the head is not what is measured.
    const packed = packSequences([tokens(config, T)]);
    const batch = { ...packed, targets: packed.targets.slice(-1) };
    const dLogps = Float32Array.of(1);
    const goal = T === 2048 ? { atLeast: 0.85 } : {};
    for (const recompute of ['none', 'all']) {
      const lm = model(config, runtime, { recompute });
      const { forward, backward } = await passes(lm, runs, { batch, dLogps });
      const again = recompute === 'all' ? work.recompute : 0;
      const kept = recompute === 'all' ? '' : ', activations kept';
      figures.push(
        figure(`T ${T}: forward${kept}`, forward, 's'),
        figure(`T ${T}: forward${kept}, ratio to MatMul`, work.forward / forward / matMul, 'x', goal),
        figure(`T ${T}: backward${kept || ', forward computed again'}`, backward, 's'),
        figure(
          `T ${T}: backward${kept || ', forward computed again'}, ratio to MatMul`,
          (work.backward + again) / backward / matMul,
          'x',
          goal,
        ),
      );
    }
  }
  await runtime.close();
  return figures;
}

/** Against the same runs queued back to back, without the loop over chunks and layers between them. Quick: a driver in software can. */
async function blockOnDevice({ quick, threads, device }) {
  const figures = [];
  const [name, lengths, runs] = quick ? ['tiny', [64, 256], 15] : ['0.5B', [512, 2048], 5];
  for (const length of lengths) {
    const runtime = new Runtime({ threads, device });
    const result = await blockOn(runtime, { shape: name, length, runs });
    const label = `${name}, T ${length}`;
    figures.push(
      figure(`${label}: forward on ${device}`, result.forwardSeconds, 's'),
      figure(`${label}: forward and backward on ${device}`, result.forwardAndBackwardSeconds, 's'),
      figure(`${label}: ratio to its ${result.dispatches} runs queued back to back`, result.ratioToQueued, 'x', {
        atMost: 1.1,
      }),
    );
    await runtime.close();
  }
  return figures;
}

async function matMulRate(T, threads, runs) {
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
  const seconds = await median(runs, () => session.run(feeds));
  await session.release();
  return (T * d * f) / seconds;
}

/** Median seconds of a forward pass, and of the backward pass that takes its activations. */
async function passes(lm, runs, { batch, dLogps }) {
  const forward = [];
  const backward = [];
  for (let i = -2; i < runs; i++) {
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
  return { forward: middle(forward), backward: middle(backward) };
}

/** Median seconds of warm runs. */
async function median(runs, work) {
  for (let i = 0; i < 2; i++) await work();
  const seconds = [];
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    await work();
    seconds.push((performance.now() - started) / 1000);
  }
  return middle(seconds);
}

const middle = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
