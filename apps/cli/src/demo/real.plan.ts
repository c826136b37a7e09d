import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { openModelFolder } from '../models/model-folder.ts';
import { dataPath } from './data-folder.ts';
import type { DemoOptions } from './demo.options.ts';
import type { DemoPlan } from './demo.plan.ts';
import { fetchRealModel, REAL_MODEL } from './real-model.ts';

/** Records of 2WikiMultihopQA: 329 of them are asked, the first to train, those behind to evaluate. */
const FILES = ['first_100', 'further_400', 'further_117', 'last_40'].map(
  (part) => `2wikimultihopqa/2wiki_dev_${part}.jsonl`,
);
const ASKED = 329;

/** Every number that decides how long it takes. */
const FULL = {
  records: 72,
  samplesPerContext: 4,
  maxPairs: 32,
  heldOutPairs: 8,
  pairsPerStep: 4,
  stepsPerSlice: 4,
  questions: 90,
  documents: [4, 7, 10],
};

const QUICK: typeof FULL = {
  ...FULL,
  records: 20,
  maxPairs: 8,
  heldOutPairs: 4,
  questions: 18,
};

/** Every stage, for a driver in software and for tests; what it says of the model is chance. */
const TINY: typeof FULL = { ...FULL, records: 12, maxPairs: 8, heldOutPairs: 2, questions: 6 };

/** Tokens of the long contexts: a record has 10 paragraphs of about a hundred, the others come from other records. */
const LONG_TOKENS = 2000;

/** A small model answers at length when it is let. */
const PROMPT = {
  system: 'You answer questions from documents with a few words.',
  document: '{title}\n{text}',
  separator: '\n\n',
  user: '{documents}\n\nQuestion: {question}\nAnswer with a few words only.',
};
const MAX_NEW_TOKENS = 32;

const OBJECTIVES = {
  dpo: { kind: 'dpo', beta: 0.1 },
  simpo: { kind: 'simpo', beta: 2.5, gamma: 1 },
  orpo: { kind: 'orpo', beta: 0.1 },
} as const;

/** A real model on real questions: SoLoPO with DPO and LoRA, in minutes on two cores. */
export function realPlan(options: DemoOptions): DemoPlan {
  const { quick, softwareDriver, seed, model, arms, objective, engine, downloads } = options;
  // Rounded weights for answers are onnxruntime's: before and after alike, some points less than float32 gives, and faster.
  const weights = engine === 'onnx' ? 'int8' : 'float32';
  const size = softwareDriver !== null ? TINY : quick ? QUICK : FULL;
  const env = process.env;
  return {
    title: `${model === undefined ? REAL_MODEL.name : 'Your model'} on 2WikiMultihopQA: multi-hop questions over real paragraphs, contexts of up to ${LONG_TOKENS.toLocaleString('en')} tokens`,
    remarks:
      size === FULL
        ? []
        : [
            `${size === TINY ? `SMALLER THAN --quick: WebGPU runs on a driver in software here (${softwareDriver})` : '--quick'}: ${size.records} records and ${size.questions} held-out questions instead of ${FULL.records} and ${FULL.questions}.`,
          ],
    modelName: model === undefined ? REAL_MODEL.name.toLowerCase() : 'own-model',
    openModel: async (tools) =>
      openModelFolder(model ?? (await fetchRealModel({ ...tools, folder: downloads, env })), tools.say),
    ...(model === undefined && { madeOf: REAL_MODEL.memberSha256 }),
    isResumed: true,
    training: { name: 'real-training', format: '2wiki', lines: () => records(0, size.records) },
    evaluation: {
      name: 'real-evaluation',
      format: '2wiki',
      lines: () => records(ASKED - FULL.questions, size.questions),
    },
    arms: arms ?? ['solo'],
    settings: {
      seed,
      engine,
      objective: OBJECTIVES[objective],
      alignment: { alpha: objective === 'orpo' ? 0.3 : 1, reference: 'shared', detach: 'short' },
      adapter: { kind: 'lora', rank: 16, alpha: 32 },
      prompt: PROMPT,
      // Two or four documents are relevant.
      contexts: { short: { distractors: 2 }, long: { maxTokens: LONG_TOKENS } },
      sampling: {
        samplesPerContext: size.samplesPerContext,
        temperature: 0.7,
        maxNewTokens: MAX_NEW_TOKENS,
        weights,
      },
      // The model is right in one answer of twenty: the gold answer is chosen, against one that it gives and that is wrong.
      pairing: { mode: 'gold-chosen', judge: 'sub-em', maxPairs: size.maxPairs, heldOutPairs: size.heldOutPairs },
      training: {
        epochs: 1,
        pairsPerStep: size.pairsPerStep,
        learningRate: 2e-4,
        schedule: 'cosine',
        warmupRatio: 0.1,
        stepsPerSlice: size.stepsPerSlice,
      },
      evaluation: {
        documents: size.documents,
        questions: size.questions,
        judge: 'sub-em',
        maxNewTokens: MAX_NEW_TOKENS,
        weights,
      },
    },
  };
}

/**
 * So many at most, from the one at place `first` on. Passed over are questions that are answered by yes or no, and those that have their
 * answer in them ("Which of the two ...?"): who repeats the question would be right.
 */
async function* records(first: number, most: number): AsyncGenerator<string> {
  let place = 0;
  for (const file of FILES)
    for await (const line of createInterface({ input: createReadStream(dataPath(file)) })) {
      const { question, answer } = JSON.parse(line) as { readonly question: string; readonly answer: string };
      if (/^(yes|no)$/i.test(answer) || question.toLowerCase().includes(answer.toLowerCase())) continue;
      if (place++ < first) continue;
      yield `${line}\n`;
      if (place === first + most) return;
    }
}
