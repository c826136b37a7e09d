import type { RunConfigInput } from '@solopo/contracts';
import { exampleLine, RETRIEVAL_PROMPT, retrievalExamples } from '@solopo/corpus';
import { join } from 'node:path';
import { DATA, type System } from './system.ts';

/** The bundled model and small data sets of its task. */
export async function prepareRetrieval(system: System, examples = 100): Promise<void> {
  await system.registerModel('retrieval', join(DATA, 'models/retrieval-144k'));
  const lines = (seed: number, count: number): string =>
    [...retrievalExamples({ seed, count, documents: 8 })]
      .map((example) => `${exampleLine(example).trimEnd()}\n`)
      .join('');
  await system.importDataset('train', lines(1, examples));
  await system.importDataset('questions', lines(2, 40));
}

/** A run of every stage in a few seconds. */
export function retrievalRun(changes: Partial<RunConfigInput> = {}): RunConfigInput {
  return {
    name: 'small',
    model: 'retrieval',
    dataset: 'train',
    arm: 'solo',
    objective: { beta: 0.5 },
    prompt: RETRIEVAL_PROMPT,
    contexts: { short: { distractors: 3 }, long: { documents: 8 } },
    sampling: { samplesPerContext: 8, temperature: 0.85, maxNewTokens: 3 },
    pairing: { judge: 'exact', heldOutPairs: 8 },
    training: { pairsPerStep: 8, learningRate: 5e-4, stepsPerSlice: 2, betas: [0.9, 0.98], maxSteps: 4 },
    evaluation: { dataset: 'questions', documents: [4, 8], judge: 'exact', maxNewTokens: 3 },
    ...changes,
  };
}
