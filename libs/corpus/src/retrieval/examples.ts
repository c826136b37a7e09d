import type { Example, PromptConfig } from '@solopo/contracts';
import { promptSchema } from '@solopo/contracts';
import { Random } from '@solopo/random';
import { documentText, drawFacts, questionText } from './facts.ts';
import { NAMES } from './vocabulary.ts';

/** The prompt of the retrieval task: documents, then the question, which ends where the answer begins. */
export const RETRIEVAL_PROMPT: PromptConfig = promptSchema.parse({
  document: 'doc : {text}',
  separator: ' ',
  user: '{documents} question : {question}',
});

export interface RetrievalOptions {
  readonly seed: number;
  readonly count: number;
  /** Documents of each example: the relevant one and distractors, all about different names. At most 96. */
  readonly documents: number;
}

/** Questions with their documents. An example depends on the seed, its position and the number of documents alone. */
export function* retrievalExamples({ seed, count, documents }: RetrievalOptions): Generator<Example, void, undefined> {
  if (!Number.isInteger(documents) || documents < 1 || documents > NAMES.length) {
    throw new RangeError(`documents must be from 1 to ${NAMES.length}, not ${documents}`);
  }
  for (let position = 0; position < count; position++) {
    const random = new Random('retrieval', seed, documents, position);
    const facts = drawFacts(random, documents);
    const asked = random.pick(facts);
    yield {
      id: `retrieval-${seed}-${documents}-${position}`,
      question: questionText(asked.name),
      answers: [asked.code],
      documents: facts.map((fact) => ({ text: documentText(random, fact), relevant: fact === asked })),
    };
  }
}
