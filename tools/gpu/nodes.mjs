// Which nodes of the engine's graphs a device leaves to the processor.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fallbacks, packTrees, PreferenceTrainer, readPlacements, Runtime, sample } from '@solopo/lm';
import { STEP } from './cases.mjs';
import { modelOf, tokens } from './models.mjs';

export async function nodes(args) {
  const { values } = parseArgs({ args, options: { device: { type: 'string', default: 'webgpu' } } });
  const folder = mkdtempSync(join(tmpdir(), 'solopo-nodes-'));
  try {
    const runtime = new Runtime({ threads: 1, device: values.device, profile: folder });
    for (const adapter of [false, true]) {
      const model = modelOf('tiny', runtime, { adapter });
      await new PreferenceTrainer(model, STEP(40)).takeStep([pairOf(model.config.vocabSize)]);
      const prompts = [{ tokens: tokens(12, 1, 512), key: [1, 2] }];
      await sample(model, prompts, {
        samplesPerPrompt: 2,
        temperature: 1,
        topP: 1,
        maxNewTokens: 3,
        eosIds: [],
        seed: 1,
      });
      const activations = await model.infer(packTrees([{ prompt: tokens(8, 1, 512), branches: [tokens(4, 2, 512)] }]));
      await model.targetLogps(activations);
    }
    await runtime.close();
    const placements = readPlacements(folder);
    const left = fallbacks(placements);
    const executed = (rows) => rows.reduce((sum, { runs }) => sum + runs, 0);
    for (const { graph, operator, runs, wholeNumbers } of left)
      console.log(
        `${graph.padEnd(20)} ${operator.padEnd(18)} ${String(runs).padStart(5)} runs  ${wholeNumbers ? 'whole numbers' : 'DATA'}`,
      );
    const data = left.filter(({ wholeNumbers }) => !wholeNumbers);
    console.log(
      `${executed(placements)} nodes ran, ${executed(left)} of them on the processor: ` +
        `${executed(left) - executed(data)} of whole numbers (shapes and places), ${executed(data)} of data`,
    );
    return data.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pairOf(vocabulary) {
  return {
    short: tokens(20, 1, vocabulary),
    long: tokens(36, 2, vocabulary),
    chosen: tokens(4, 3, vocabulary),
    rejected: tokens(5, 4, vocabulary),
    reference: { shortChosen: -30, shortRejected: -31, longChosen: -32, longRejected: -33 },
  };
}
