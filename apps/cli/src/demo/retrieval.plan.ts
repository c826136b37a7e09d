import { exampleLine, RETRIEVAL_PROMPT, retrievalExamples, type RetrievalOptions } from '@solopo/corpus';
import { whole } from '../report/numbers.ts';
import { dataPath } from './data-folder.ts';
import type { DemoOptions } from './demo.options.ts';
import { openModelFolder } from '../models/model-folder.ts';
import type { DemoPlan } from './demo.plan.ts';

const MODEL = 'retrieval-144k';

/** Generator seeds of this demo alone: neither pretraining nor its progress checks draw from them. */
const TRAINING_SEED = 100_000;
const EVALUATION_SEED = 999_000;

const LONG_DOCUMENTS = 16;

/** Two examples in three give a pair: the others are all right or all wrong. */
const FULL = {
  examples: 3200,
  maxPairs: 2000,
  pairsPerStep: 16,
  heldOutPairs: 128,
  stepsPerSlice: 25,
  questions: 1000,
  documents: [4, 8, 16, 24, 32],
};

const QUICK: typeof FULL = {
  examples: 600,
  maxPairs: 320,
  pairsPerStep: 16,
  heldOutPairs: 64,
  stepsPerSlice: 10,
  questions: 300,
  documents: [4, 16, 32],
};

/** Every stage still runs, on a driver in software too; what it says of the arms is chance. */
const TINY: typeof FULL = {
  examples: 72,
  maxPairs: 32,
  pairsPerStep: 8,
  heldOutPairs: 8,
  stepsPerSlice: 2,
  questions: 20,
  documents: [4, 16, 32],
};

/** What worked on this task (docs/log.md). */
const OBJECTIVES = {
  dpo: { kind: 'dpo', beta: 0.5 },
  simpo: { kind: 'simpo', beta: 2.5, gamma: 1 },
  orpo: { kind: 'orpo', beta: 0.5 },
} as const;

/** Three ways to train on the same pairs: on short contexts, on long ones, and SoLoPO. */
export function retrievalPlan(options: DemoOptions): DemoPlan {
  const { seed, model, arms, objective, engine, lora } = options;
  const size = sizeOf(options);
  const longest = Math.max(...size.documents);
  const training = { seed: TRAINING_SEED + seed, count: size.examples, documents: LONG_DOCUMENTS };
  const evaluation = { seed: EVALUATION_SEED + seed, count: size.questions, documents: longest };
  return {
    title: `Retrieval: find one code among documents; trained on ${LONG_DOCUMENTS} documents, asked on up to ${longest}`,
    remarks: remarksOn(options),
    modelName: model === undefined ? MODEL : 'own-model',
    openModel: ({ say }) => openModelFolder(model ?? dataPath(`models/${MODEL}`), say),
    training: { name: `retrieval-training-${seed}`, format: 'solopo', lines: () => linesOf(training) },
    evaluation: { name: `retrieval-evaluation-${seed}`, format: 'solopo', lines: () => linesOf(evaluation) },
    arms: arms ?? ['short', 'expand-long', 'solo'],
    settings: {
      seed,
      engine,
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
        pairsPerStep: size.pairsPerStep,
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

function sizeOf({ quick, softwareDriver }: DemoOptions): typeof FULL {
  if (!quick) return FULL;
  return softwareDriver === null ? QUICK : TINY;
}

const stepsOf = ({ maxPairs, pairsPerStep }: typeof FULL): number => maxPairs / pairsPerStep;

function remarksOn(options: DemoOptions): string[] {
  const { quick, softwareDriver } = options;
  const size = sizeOf(options);
  const smaller = `${size.questions} held-out questions instead of ${whole(FULL.questions)}, and ${stepsOf(size)} steps instead of ${stepsOf(FULL)}`;
  if (softwareDriver !== null)
    return quick
      ? [
          `SMALLER THAN --quick: WebGPU runs on a driver in software here (${softwareDriver}), which is many times slower than the processor itself.`,
          `Every stage runs, with ${smaller}: the figures show that it works, not which arm is better.`,
        ]
      : [
          `WebGPU runs on a driver in software here (${softwareDriver}), which is many times slower than the processor itself: this takes hours. Take --quick, or --device cpu.`,
        ];
  return quick ? [`--quick: ${smaller}: intervals are wide, and few differences are separated.`] : [];
}

function* linesOf(options: RetrievalOptions): Generator<string> {
  for (const example of retrievalExamples(options)) yield exampleLine(example);
}
