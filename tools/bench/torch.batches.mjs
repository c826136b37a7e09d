// Answers and scores of SmolLM2-135M's shape by the torch engine beside the embedded one, both through the engine's contract, in turn.
import { join } from 'node:path';
import { Engine } from '@solopo/engine';
import { figure } from './figure.mjs';
import { shape, tokens, writeModel } from './model.mjs';

const SHAPE = 'smollm2-135m';
const KINDS = ['onnx', 'torch'];

export async function batches({ python, scratch, threads, quick }) {
  const folder = join(scratch, SHAPE);
  const layers = quick ? 2 : 30;
  writeModel(folder, SHAPE, { layers });
  const config = shape({ shape: SHAPE, layers });
  const prompts = Array.from({ length: quick ? 2 : 4 }, (_, i) => tokens(config, 500, i + 1));
  const responses = prompts.map((_, i) => [100 + i, 200 + i].map((seed) => tokens(config, 64, seed)));
  const work = {
    [`${prompts.length} times 8 answers of 32 tokens to 500`]: [
      'sample',
      {
        model: { folder },
        prompts: prompts.map((prompt, i) => ({ tokens: prompt, key: [i, 0] })),
        options: { samplesPerPrompt: 8, temperature: 1, topP: 1, maxNewTokens: 32, eosIds: [], seed: 1 },
        batchTokens: 8192,
      },
    ],
    [`scores of ${prompts.length} times 2 responses of 64 tokens to 500`]: [
      'score',
      {
        model: { folder },
        trees: prompts.map((prompt, i) => ({ prompt, branches: responses[i] })),
        batchTokens: 8192,
      },
    ],
  };
  const engines = KINDS.map((kind) => ({ kind, engine: new Engine({ threads, torch: { python } }) }));
  try {
    const figures = [];
    for (const [name, [task, input]] of Object.entries(work)) {
      const seconds = new Map(KINDS.map((kind) => [kind, []]));
      // The first round loads the model.
      for (let round = 0; round < (quick ? 2 : 4); round++)
        for (const { kind, engine } of engines) {
          const started = performance.now();
          await engine.run(task, input, { engine: kind });
          if (round > 0) seconds.get(kind).push((performance.now() - started) / 1000);
        }
      const [onnx, torch] = KINDS.map((kind) => Math.min(...seconds.get(kind)));
      figures.push(
        figure(`${name}, onnx`, onnx, 's'),
        figure(`${name}, torch`, torch, 's'),
        figure(`${name}: times as fast as onnx`, onnx / torch, 'x', { atLeast: 1 }),
      );
    }
    return figures;
  } finally {
    for (const { engine } of engines) engine.close();
  }
}
