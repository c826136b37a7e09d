import { exampleLine, RETRIEVAL_PROMPT, retrievalExamples, type RetrievalOptions } from '@solopo/corpus';
import { whole } from '../report/numbers.ts';
import { dataPath } from './data-folder.ts';
import type { DemoOptions } from './demo.options.ts';
import { folderOf, type DemoPlan } from './demo.plan.ts';

const MODEL = 'retrieval-144k';

/** Generator seeds of this demo alone: neither pretraining nor its progress checks draw from them. */
const TRAINING_SEED = 100_000;
const EVALUATION_SEED = 999_000;

const LONG_DOCUMENTS = 16;

/** Two examples in three give a pair: the others are all right or all wrong. */
const FULL = {
  examples: 3200,
  maxPairs: 2000,
  heldOutPairs: 128,
  stepsPerSlice: 25,
  questions: 1000,
  documents: [4, 8, 16, 24, 32],
};

const QUICK: typeof FULL = {
  examples: 600,
  maxPairs: 320,
  heldOutPairs: 64,
  stepsPerSlice: 10,
  questions: 300,
  documents: [4, 16, 32],
};

/** What worked on this task (docs/log.md). */
const OBJECTIVES = {
  dpo: { kind: 'dpo', beta: 0.5 },
  simpo: { kind: 'simpo', beta: 2.5, gamma: 1 },
  orpo: { kind: 'orpo', beta: 0.5 },
} as const;

/** Three ways to train on the same pairs: on short contexts, on long ones, and SoLoPO. */
export function retrievalPlan({ quick, seed, model, arms, objective, lora }: DemoOptions): DemoPlan {
  const size = quick ? QUICK : FULL;
  const longest = Math.max(...size.documents);
  const training = { seed: TRAINING_SEED + seed, count: size.examples, documents: LONG_DOCUMENTS };
  const evaluation = { seed: EVALUATION_SEED + seed, count: size.questions, documents: longest };
  return {
    title: `Retrieval: find one code among documents; trained on ${LONG_DOCUMENTS} documents, asked on up to ${longest}`,
    remarks: quick
      ? [
          `--quick: ${size.questions} held-out questions instead of ${whole(FULL.questions)}, and ${size.maxPairs / 16} steps instead of ${FULL.maxPairs / 16}: ` +
            'intervals are wide, and few differences are separated.',
        ]
      : [],
    modelName: model === undefined ? MODEL : 'own-model',
    openModel: () => folderOf(model ?? dataPath(`models/${MODEL}`)),
    training: { name: `retrieval-training-${seed}`, format: 'solopo', lines: () => linesOf(training) },
    evaluation: { name: `retrieval-evaluation-${seed}`, format: 'solopo', lines: () => linesOf(evaluation) },
    arms: arms ?? ['short', 'expand-long', 'solo'],
    settings: {
      seed,
      objective: OBJECTIVES[objective],
      alignment: { alpha: objective === 'orpo' ? 0.3 : 1, reference: 'shared', detach: 'short' },
      adapter: lora ? { kind: 'lora', rank: 8, alpha: 16 } : null,
      prompt: RETRIEVAL_PROMPT,
      contexts: { short: { distractors: 3 }, long: { documents: LONG_DOCUMENTS } },
      // Two words and the end of the answer.
      sampling: { samplesPerContext: 8, temperature: 0.85, maxNewTokens: 3 },
      pairing: { mode: 'sampled', judge: 'exact', maxPairs: size.maxPairs, heldOutPairs: size.heldOutPairs },
      training: {
        epochs: 1,
        pairsPerStep: 16,
        learningRate: lora ? 5e-3 : 5e-4,
        schedule: 'cosine',
        warmupRatio: 0.1,
        finalLearningRateRatio: 0.1,
        clipNorm: 1,
        betas: [0.9, 0.98],
        weightDecay: 0,
        stepsPerSlice: size.stepsPerSlice,
      },
      evaluation: { documents: size.documents, questions: size.questions, judge: 'exact', maxNewTokens: 3 },
    },
  };
}

function* linesOf(options: RetrievalOptions): Generator<string> {
  for (const example of retrievalExamples(options)) yield exampleLine(example);
}
