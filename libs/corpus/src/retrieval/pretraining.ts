import type { TextModel } from '@solopo/text';
import { Random } from '@solopo/random';
import type { Fact } from './facts.ts';
import { documentText, drawFacts, questionText } from './facts.ts';

export interface PretrainingOptions {
  /** Part of the batches that are rosters: facts, then repeats of them. */
  readonly rosterShare: number;
  /** Part of the other batches that have 7 to 32 documents instead of 1 to 6. */
  readonly longShare: number;
  /** Probability that an answer is another document's code: without it the base would sample no wrong answers. */
  readonly answerNoise: number;
}

export const PRETRAINING_DEFAULTS: PretrainingOptions = { rosterShare: 0.2, longShare: 0.15, answerNoise: 0.25 };

/** Sequences of about 3,500 tokens in all. Lengths may differ within a batch. */
export interface PretrainingBatch {
  readonly kind: 'roster' | 'short' | 'long';
  readonly tokens: readonly Int32Array[];
  /** The weight of the loss of predicting token t from the tokens before it; 0 at t = 0. */
  readonly weights: readonly Float32Array[];
}

/** A stretch of text whose tokens have one loss weight. */
interface Piece {
  readonly text: string;
  readonly weight: number;
}

const DOCUMENT_WEIGHT = 0.03;
const QUESTIONS = 4;
const ROSTERS = 64;
const ROSTER_REPEATS = 12;
const SHORT_SEQUENCES = 32;
/** Long batches have as many tokens as short ones: 27 sequences of 7 documents, 6 of 32. */
const LONG_DOCUMENTS = 192;

/** The batch of one step of pretraining on the retrieval task: a function of seed and step. */
export function pretrainingBatch(
  seed: number,
  step: number,
  text: TextModel,
  options: PretrainingOptions = PRETRAINING_DEFAULTS,
): PretrainingBatch {
  const random = new Random('pretraining', seed, step);
  const batch = (kind: PretrainingBatch['kind'], count: number, sequence: () => Piece[]): PretrainingBatch => {
    const encoded = Array.from({ length: count }, () => encodePieces(text, sequence()));
    return { kind, tokens: encoded.map(({ tokens }) => tokens), weights: encoded.map(({ weights }) => weights) };
  };

  if (random.chance(options.rosterShare)) {
    const facts = random.between(2, 8);
    return batch('roster', ROSTERS, () => roster(random, facts));
  }
  if (!random.chance(options.longShare)) {
    const documents = random.between(1, 6);
    return batch('short', SHORT_SEQUENCES, () => questionsAndAnswers(random, documents, options.answerNoise));
  }
  const documents = random.between(7, 32);
  return batch('long', Math.floor(LONG_DOCUMENTS / documents), () =>
    questionsAndAnswers(random, documents, options.answerNoise),
  );
}

function roster(random: Random, count: number): Piece[] {
  const facts = drawFacts(random, count);
  const repeats = Array.from({ length: ROSTER_REPEATS }, () => random.pick(facts));
  return [
    ...facts.map(({ name, code }) => ({ text: `${name} is ${code} .`, weight: 0 })),
    ...repeats.flatMap(({ name, code }) => [
      { text: `${name} is`, weight: 0 },
      { text: code, weight: 1 },
      { text: '.', weight: 0 },
    ]),
  ];
}

function questionsAndAnswers(random: Random, count: number, answerNoise: number): Piece[] {
  const facts = drawFacts(random, count);
  const asked = random.sample(facts, Math.min(QUESTIONS, count));
  return [
    ...facts.map((fact) => ({ text: `doc : ${documentText(random, fact)}`, weight: DOCUMENT_WEIGHT })),
    ...asked.flatMap((fact) => [
      { text: `question : ${questionText(fact.name)}`, weight: 0 },
      { text: `${noisyCode(random, fact, facts, answerNoise)} <eos>`, weight: 1 },
    ]),
  ];
}

function noisyCode(random: Random, fact: Fact, facts: readonly Fact[], answerNoise: number): string {
  const others = facts.filter((other) => other !== fact);
  return others.length > 0 && random.chance(answerNoise) ? random.pick(others).code : fact.code;
}

function encodePieces(text: TextModel, pieces: readonly Piece[]): { tokens: Int32Array; weights: Float32Array } {
  const encoded = text.encodeAll(pieces.map((piece) => piece.text));
  const length = encoded.reduce((sum, ids) => sum + ids.length, 0);
  const tokens = new Int32Array(length);
  const weights = new Float32Array(length);
  let offset = 0;
  encoded.forEach((ids, index) => {
    tokens.set(ids, offset);
    weights.fill(pieces[index]!.weight, offset, offset + ids.length);
    offset += ids.length;
  });
  weights[0] = 0;
  return { tokens, weights };
}
