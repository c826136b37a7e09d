// A SoLoPO step by the torch engine beside the embedded one, both through the engine's contract, and beside TRL and the best plain PyTorch;
// and what the long side costs with alignment.backward tail. SOLOPO_TORCH_PYTHON, or ./solopo engine add torch.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from '@solopo/engine';
import { torchPython } from '../torch-python.mjs';
import { figure, gib, notMeasured, NO_PEERS } from './figure.mjs';
import { LORA, shape, tokens, TRAINING, writeModel } from './model.mjs';
import { peer } from './peers.mjs';
import { PeakMemory } from './process-memory.mjs';
import { batches } from './torch.batches.mjs';

const SHAPE = 'qwen2.5-0.5b';
const TAIL = { tail: 14 };
/** With it no layer of a step of 2,048 tokens keeps what its gated layer can make again. */
const LEAN = 6 * 2 ** 30;
/** With it no layer of a step of 16,384 tokens keeps more than its input. */
const LEANEST = 3 * 2 ** 30;

export async function torch({ quick, threads, peers }) {
  const python = torchPython();
  if (python === undefined) return [notMeasured('the torch engine', 'run ./solopo engine add torch')];
  const scratch = mkdtempSync(join(tmpdir(), 'solopo-bench-'));
  try {
    const model = (layers) => {
      const folder = join(scratch, `${layers} layers`);
      writeModel(folder, SHAPE, { layers });
      return (engine, given) => slice({ engine, python, folder, scratch, layers, threads, ...given });
    };
    const layers = quick ? 2 : 24;
    return [
      ...(await steps(model(layers), { layers, threads, peers, runs: quick ? 2 : 1 })),
      ...(await longSides(model(quick ? 2 : 6), { long: quick ? 4096 : 8192 })),
      ...(quick ? [] : await longest(model(layers))),
      ...(await batches({ python, scratch, threads, quick })),
    ];
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

async function steps(measured, { layers, threads, peers, runs }) {
  const size = { short: 512, long: 2048, response: 128 };
  const own = {
    onnx: await measured('onnx', { ...size, runs }),
    torch: await measured('torch', { ...size, runs }),
    lean: await measured('torch', { ...size, runs, maxDeviceMemoryBytes: LEAN }),
    bfloat16: await measured('torch', { ...size, runs, precision: 'bfloat16' }),
  };
  const label = {
    onnx: 'onnx',
    torch: 'torch, float32',
    lean: `torch, float32, maxDeviceMemory ${gib(LEAN)} GiB`,
    bfloat16: 'torch, bfloat16',
  };
  const figures = Object.entries(own).flatMap(([name, each]) => shown(`step: ${label[name]}`, each));
  const over = (name, other, mine, goal) =>
    figure(`step: ${label[mine]}: times as fast as ${name}`, other.seconds / own[mine].seconds, 'x', goal);
  figures.push(over('onnx', own.onnx, 'torch', { atLeast: 1.3 }), over('onnx', own.onnx, 'bfloat16', { atLeast: 2.2 }));
  if (!peers) return [...figures, notMeasured('step: TRL, plain PyTorch', NO_PEERS)];
  for (const [dtype, ours] of [
    ['float32', ['torch', 'lean']],
    ['bfloat16', ['bfloat16']],
  ]) {
    const options = { ...size, layers, threads, runs, warmup: 1, dtype };
    const trl = (await peer('step-trl', { ...options, only: ['trl, full logits'] })).of.get('trl, full logits');
    const best = (await peer('step-best', { ...options, recompute: 'none' })).of.get('best, recompute none');
    const faster = dtype === 'float32' ? 2.2 : 2;
    for (const [name, other, goals] of [
      ['TRL', trl, { seconds: () => faster, memory: dtype === 'float32' ? 0.4 : undefined }],
      ['the best plain PyTorch', best, { seconds: (mine) => (mine === 'lean' ? undefined : 0.95) }],
    ]) {
      const theirs = { seconds: other.medianSeconds, bytes: other.peakRssBytes };
      figures.push(
        ...shown(`step: ${name}, ${dtype}`, theirs),
        ...ours.flatMap((mine) => [
          over(name, theirs, mine, { atLeast: goals.seconds(mine) }),
          figure(`step: ${label[mine]}: memory over that of ${name}`, own[mine].bytes / theirs.bytes, 'x', {
            atMost: goals.memory,
          }),
        ]),
      );
    }
  }
  return figures;
}

/** A pair whose long context is aligned, whole and by its tail; and preference over the long context itself, its prompt shared. */
async function longSides(measured, { long }) {
  const size = { short: 1024, long, response: 128, runs: 1 };
  const figures = [];
  for (const engine of ['onnx', 'torch']) {
    const short = await measured(engine, { ...size, aligned: false });
    const full = await measured(engine, { ...size });
    const tail = await measured(engine, { ...size, backward: TAIL });
    const expanded = await measured(engine, { ...size, arm: 'expand-long' });
    const name = `1,024 and ${long.toLocaleString('en')} tokens, ${engine}`;
    figures.push(
      ...shown(`${name}: short rows alone`, short),
      ...shown(`${name}: solo, full`, full),
      ...shown(`${name}: solo, tail of ${TAIL.tail}`, tail),
      ...shown(`${name}: expand-long, prompt shared`, expanded),
      figure(
        `${name}: long side's seconds, tail over full`,
        (tail.seconds - short.seconds) / (full.seconds - short.seconds),
        'x',
        { atMost: 0.5 },
      ),
      figure(`${name}: memory above the model's, tail over full`, tail.grown / full.grown, 'x', { atMost: 0.5 }),
      figure(`${name}: a pair's seconds, tail over expand-long`, tail.seconds / expanded.seconds, 'x', { atMost: 1 }),
    );
  }
  return figures;
}

/** A step over 16,384 tokens where memory lets no layer keep its activations; the embedded engine's is of `bench memory`. */
async function longest(measured) {
  const size = { short: 512, long: 16_384, response: 128, warmup: 0, runs: 1, maxDeviceMemoryBytes: LEANEST };
  const figures = [];
  for (const [name, backward, atMost] of [
    ['full', 'full', 7],
    [`tail of ${TAIL.tail}`, TAIL, 3.5],
  ]) {
    const { seconds, bytes } = await measured('torch', { ...size, backward });
    figures.push(
      figure(`16,384 tokens, ${name}`, seconds, 's'),
      figure(`16,384 tokens, ${name}, peak memory`, gib(bytes), 'GiB', { atMost }),
    );
  }
  return figures;
}

const shown = (name, { seconds, bytes }) => [
  figure(name, seconds, 's'),
  figure(`${name}, peak memory`, gib(bytes), 'GiB'),
];

/** One slice in an engine process of its own: `warmup` steps, and `runs` that count. */
async function slice({
  engine: kind,
  python,
  folder,
  scratch,
  layers,
  threads,
  short,
  long,
  response,
  runs,
  ...given
}) {
  const { arm = 'solo', aligned = true, backward = 'full', precision = 'float32', warmup = 1 } = given;
  const config = shape({ shape: SHAPE, layers });
  const pair = {
    short: tokens(config, short, 1),
    long: tokens(config, long, 2),
    chosen: tokens(config, response, 3),
    rejected: tokens(config, response, 4),
    aligned,
    reference: { shortChosen: -1500, shortRejected: -1500, longChosen: -1500, longRejected: -1500 },
  };
  const engine = new Engine({ threads, torch: { python }, maxDeviceMemoryBytes: given.maxDeviceMemoryBytes });
  try {
    const memory = new PeakMemory();
    const { steps } = await engine.run(
      'trainSlice',
      {
        model: { folder, precision, adapter: { options: LORA, seed: 1 } },
        fromStep: 0,
        options: { ...TRAINING, arm, alignment: { ...TRAINING.alignment, backward } },
        pairs: [pair],
        batches: Array.from({ length: warmup + runs }, () => [0]),
        out: { weights: join(scratch, 'w.safetensors'), optimizerState: join(scratch, 'o.safetensors') },
      },
      { engine: kind, onProgress: ({ kind: what }) => what === 'done' && memory.loaded([engine.pid]) },
    );
    return {
      seconds: median(steps.slice(warmup).map(({ seconds }) => seconds)),
      bytes: memory.peak,
      grown: memory.grown,
    };
  } finally {
    engine.close();
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
