import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { dataPath } from './data-folder.ts';
import type { DemoOptions, RealCorpus } from './demo.options.ts';
import { openModelFolder } from '../models/model-folder.ts';
import type { DemoPlan } from './demo.plan.ts';
import { makeRandomModel } from './random-model.ts';

interface CorpusFiles {
  readonly title: string;
  readonly format: RealCorpus;
  readonly training: string;
  readonly evaluation: string;
  /** Documents to fill the long context are enough for so many tokens. */
  readonly longTokens: number;
  /** Context lengths to evaluate at, in documents. */
  readonly documents: number[];
}

const CORPORA: Readonly<Record<RealCorpus, CorpusFiles>> = {
  musique: {
    title: 'MuSiQue',
    format: 'musique',
    training: 'musique/musique_ans_train_100.jsonl',
    evaluation: 'musique/musique_ans_dev_40.jsonl',
    longTokens: 2000,
    documents: [4, 20],
  },
  hotpotqa: {
    title: 'HotpotQA',
    format: 'hotpotqa',
    training: 'hotpotqa/hotpot_train_100.jsonl',
    evaluation: 'hotpotqa/hotpot_dev_distractor_40.jsonl',
    longTokens: 2000,
    documents: [3, 10],
  },
  '2wiki': {
    title: '2WikiMultihopQA',
    format: '2wiki',
    training: '2wikimultihopqa/2wiki_dev_first_100.jsonl',
    evaluation: '2wikimultihopqa/2wiki_dev_last_40.jsonl',
    longTokens: 2000,
    documents: [4, 10],
  },
};

const TOKENIZER_NAMES = { 'qwen2.5': 'Qwen2.5', smollm2: 'SmolLM2' } as const;

const FULL = { records: 100, heldOutPairs: 16, epochs: 2, stepsPerSlice: 7, questions: 20 };
const QUICK: typeof FULL = { records: 24, heldOutPairs: 4, epochs: 1, stepsPerSlice: 3, questions: 8 };

/** Real questions and paragraphs: the gold answer against a sampled wrong one. */
export function corpusPlan(
  corpus: RealCorpus,
  { quick, seed, model, arms, objective, engine, lora, tokenizer }: DemoOptions,
): DemoPlan {
  const size = quick ? QUICK : FULL;
  const { title, format, training, evaluation, longTokens, documents } = CORPORA[corpus];
  const random = model === undefined;
  const text = random ? `, the ${TOKENIZER_NAMES[tokenizer]} tokenizer` : '';
  return {
    title: `${title}: multi-hop questions over real paragraphs, contexts of up to ${longTokens.toLocaleString('en')} tokens${text}`,
    remarks: [
      ...(random
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
    modelName: random ? `random-${tokenizer}-${seed}` : 'own-model',
    openModel: ({ say }) => (random ? makeRandomModel(seed, tokenizer) : openModelFolder(model, say)),
    training: { name: `${corpus}-training`, format, lines: () => firstLines(training, size.records) },
    evaluation: { name: `${corpus}-evaluation`, format, lines: () => firstLines(evaluation, size.questions) },
    arms: arms ?? ['solo'],
    settings: {
      seed,
      engine,
      objective: objective === 'dpo' ? { kind: 'dpo', beta: 0.1 } : { kind: objective },
      alignment: { alpha: 1, reference: 'shared', detach: 'short' },
      adapter: lora ? { kind: 'lora', rank: 8, alpha: 16 } : null,
      contexts: { short: { distractors: 0 }, long: { maxTokens: longTokens } },
      sampling: { samplesPerContext: 4, temperature: 1, maxNewTokens: 16 },
      pairing: { mode: 'gold-chosen', judge: 'sub-em', heldOutPairs: size.heldOutPairs },
      training: {
        epochs: size.epochs,
        pairsPerStep: 4,
        // Random weights have far to go; a trained model would be ruined by such strides.
        learningRate: random ? 1e-3 : 1e-6,
        stepsPerSlice: size.stepsPerSlice,
      },
      evaluation: { documents, questions: size.questions, judge: 'sub-em', maxNewTokens: 8 },
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
