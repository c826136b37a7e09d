import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { dataPath } from './data-folder.ts';
import type { DemoOptions } from './demo.options.ts';
import { folderOf, type DemoPlan } from './demo.plan.ts';
import { makeRandomModel } from './random-model.ts';

const TRAINING = 'musique/musique_ans_train_100.jsonl';
const EVALUATION = 'musique/musique_ans_dev_40.jsonl';

const FULL = { records: 100, heldOutPairs: 16, epochs: 2, stepsPerSlice: 7, questions: 20 };
const QUICK: typeof FULL = { records: 24, heldOutPairs: 4, epochs: 1, stepsPerSlice: 3, questions: 8 };

/** Real questions and paragraphs: the gold answer against a sampled wrong one. */
export function musiquePlan({ quick, seed, model }: DemoOptions): DemoPlan {
  const size = quick ? QUICK : FULL;
  return {
    title: 'MuSiQue: multi-hop questions over real paragraphs, contexts of up to 2,000 tokens, the Qwen2.5 tokenizer',
    remarks: [
      ...(model === undefined
        ? [
            'The model has the real vocabulary and random weights: it answers nothing right, but its loss and margins move.',
          ]
        : []),
      ...(quick
        ? [
            `--quick: ${size.records} records and ${size.questions} held-out questions instead of ${FULL.records} and ${FULL.questions}.`,
          ]
        : []),
    ],
    modelName: model === undefined ? `qwen2-random-${seed}` : 'own-model',
    openModel: () => (model === undefined ? makeRandomModel(seed) : folderOf(model)),
    training: { name: 'musique-training', format: 'musique', lines: () => firstLines(TRAINING, size.records) },
    evaluation: { name: 'musique-evaluation', format: 'musique', lines: () => firstLines(EVALUATION, size.questions) },
    arms: ['solo'],
    settings: {
      seed,
      objective: { kind: 'dpo', beta: 0.1 },
      alignment: { alpha: 1, reference: 'shared', detach: 'short' },
      contexts: { short: { distractors: 0 }, long: { maxTokens: 2000 } },
      sampling: { samplesPerContext: 4, temperature: 1, maxNewTokens: 16 },
      pairing: { mode: 'gold-chosen', judge: 'sub-em', heldOutPairs: size.heldOutPairs },
      training: {
        epochs: size.epochs,
        pairsPerStep: 4,
        // Random weights have far to go; a trained model would be ruined by such strides.
        learningRate: model === undefined ? 1e-3 : 1e-6,
        stepsPerSlice: size.stepsPerSlice,
      },
      evaluation: { documents: [4, 20], questions: size.questions, judge: 'sub-em', maxNewTokens: 8 },
    },
  };
}

async function* firstLines(file: string, count: number): AsyncGenerator<string> {
  let read = 0;
  for await (const line of createInterface({ input: createReadStream(dataPath(file)) })) {
    yield `${line}\n`;
    if (++read === count) return;
  }
}
