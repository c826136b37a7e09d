// Training over several ranks of the torch engine, all on this machine (gloo), beside one rank: memory, differences and the time to start.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from '@solopo/engine';
import { torchPython } from '../torch-python.mjs';
import { figure, gib, notMeasured } from './figure.mjs';
import { LORA, shape, tokens, TRAINING, writeModel } from './model.mjs';
import { children, PeakMemory } from './process-memory.mjs';

const SHAPE = 'qwen2.5-0.5b';
const SHORTEST = { short: 16, long: 32, response: 8 };

export async function ranks({ quick, threads }) {
  const python = torchPython();
  if (python === undefined) return [notMeasured('several ranks', 'run ./solopo engine add torch')];
  const scratch = mkdtempSync(join(tmpdir(), 'solopo-bench-'));
  const measured = (given) => slice({ python, scratch, threads, ...given });
  try {
    return [
      ...(await memoryOfRanks(measured, quick ? 6 : 24)),
      ...(await sharedSequences(measured, { layers: quick ? 2 : 6, long: quick ? 4096 : 8192 })),
      ...(await manySteps(measured)),
      ...(await starting({ python, threads })),
    ];
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What FSDP is for: all parameters with their gradients and moments. */
async function memoryOfRanks(measured, layers) {
  const given = { layers, short: 128, long: 256, response: 32, pairs: 2, steps: 2, adapter: false };
  const one = await measured({ ...given, ranks: 1 });
  const two = await measured({ ...given, ranks: 2 });
  return [
    figure('all parameters: memory of one rank', gib(one.bytes), 'GiB'),
    figure('all parameters: memory of each of two ranks', gib(two.bytes), 'GiB'),
    figure('all parameters: memory a rank, two over one', two.bytes / one.bytes, 'x', { atMost: 0.6 }),
    figure('all parameters: seconds of a step, two over one', two.seconds / one.seconds, 'x'),
  ];
}

async function sharedSequences(measured, { layers, long }) {
  const given = { layers, short: 512, long, response: 128, pairs: 1, steps: 1, adapter: true };
  const one = await measured({ ...given, ranks: 1 });
  const two = await measured({ ...given, ranks: 2, sequenceRanks: 2 });
  const name = `a sequence of ${long.toLocaleString('en')} tokens over two ranks`;
  return [
    figure(`${name}: activations of one rank`, gib(one.grown), 'GiB'),
    figure(`${name}: activations of each of two`, gib(two.grown), 'GiB'),
    figure(`${name}: activations, two over one`, two.grown / one.grown, 'x', { atMost: 0.6 }),
    figure(`${name}: loss, relative difference`, difference(one.metrics[0].loss, two.metrics[0].loss), '', {
      atMost: 1e-5,
    }),
    figure(`${name}: seconds of a step, two over one`, two.seconds / one.seconds, 'x'),
  ];
}

async function manySteps(measured) {
  const given = { layers: 2, short: 64, long: 256, response: 16, pairs: 4, steps: 10, adapter: true };
  const one = await measured({ ...given, ranks: 1 });
  const figures = [];
  for (const sequenceRanks of [1, 2]) {
    const four = await measured({ ...given, ranks: 4, sequenceRanks });
    const of = one.metrics.flatMap((step, i) =>
      ['loss', 'grad_norm'].map((name) => difference(step[name], four.metrics[i][name])),
    );
    figures.push(
      figure(`ten steps, four ranks, ${sequenceRanks} a sequence: greatest relative difference`, Math.max(...of), '', {
        atMost: 1e-4,
      }),
    );
  }
  return figures;
}

async function starting({ python, threads }) {
  const seconds = [];
  for (const ranks of [1, 2]) {
    const engine = new Engine({ threads, torch: { python, ranks } });
    const started = performance.now();
    await engine.run('fingerprint', {}, { engine: 'torch' });
    seconds.push((performance.now() - started) / 1000);
    engine.close();
  }
  return [
    figure('starting one rank', seconds[0], 's'),
    figure('starting two ranks', seconds[1], 's'),
    figure('starting two ranks, more than one', seconds[1] - seconds[0], 's', { atMost: 10 }),
  ];
}

const difference = (a, b) => Math.abs(a - b) / Math.abs(a);

/**
 * A slice in an engine of its own, after one of short contexts: what has grown since is activations, for models, tables that are put
 * together and PyTorch's own are there. Memory is that of the rank that has most.
 */
async function slice({
  python,
  scratch,
  threads,
  layers,
  ranks,
  sequenceRanks,
  short,
  long,
  response,
  pairs,
  steps,
  adapter,
}) {
  const folder = join(scratch, `model-${layers}`);
  writeModel(folder, SHAPE, { layers });
  const config = shape({ shape: SHAPE, layers });
  const pairsOf = (lengths) =>
    Array.from({ length: pairs }, (_, i) => ({
      short: tokens(config, lengths.short, 4 * i + 1),
      long: tokens(config, lengths.long, 4 * i + 2),
      chosen: tokens(config, lengths.response, 4 * i + 3),
      rejected: tokens(config, lengths.response, 4 * i + 4),
      aligned: true,
      reference: { shortChosen: -1500, shortRejected: -1500, longChosen: -1500, longRejected: -1500 },
    }));
  const engine = new Engine({ threads, torch: { python, ranks, sequenceRanks } });
  const train = (trained, count) =>
    engine.run(
      'trainSlice',
      {
        model: { folder, ...(adapter ? { adapter: { options: LORA, seed: 1 } } : {}) },
        fromStep: 0,
        options: { ...TRAINING, arm: 'solo', microBatchTokens: 1 },
        pairs: trained,
        batches: Array.from({ length: count }, () => trained.map((_, i) => i)),
        out: { weights: join(scratch, 'w.safetensors'), optimizerState: join(scratch, 'o.safetensors') },
      },
      { engine: 'torch' },
    );
  try {
    await train(pairsOf(SHORTEST), 1);
    const memory = new PeakMemory();
    memory.loaded(ranks === 1 ? [engine.pid] : children(engine.pid));
    const result = await train(pairsOf({ short, long, response }), steps);
    return {
      seconds: result.steps.at(-1).seconds,
      metrics: result.steps.map(({ metrics }) => metrics),
      bytes: memory.peak,
      grown: memory.grown,
    };
  } finally {
    engine.close();
  }
}
