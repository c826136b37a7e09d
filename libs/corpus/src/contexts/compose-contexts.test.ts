import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { ContextsConfig, Example } from '@solopo/contracts';
import { promptSchema } from '@solopo/contracts';
import { TextModel } from '@solopo/text';
import { beforeAll, describe, expect, it } from 'vitest';
import { normalizeCase } from '../normalize.ts';
import { readExamples } from '../readers/read-examples.ts';
import { RETRIEVAL_PROMPT, retrievalExamples } from '../retrieval/examples.ts';
import { retrievalTokenizer } from '../retrieval/tokenizer.ts';
import type { ComposedContext } from './assemble.ts';
import type { ComposeOptions, ContextPair } from './compose-contexts.ts';
import { composeAt, composeContexts, evidencePlaceAt } from './compose-contexts.ts';
import { documentsOf, DocumentPool } from './document-pool.ts';
import { pieceOf } from './pieces.ts';
import { promptMessages, renderDocument } from './prompt.ts';
import { drawnFrom, expectSound, made, refusal } from './sound-context.fixture.ts';

const DATA = join(import.meta.dirname, '../../../../data');

describe('with MuSiQue records and the Qwen2.5 tokenizer', () => {
  const BUDGET = 2000;
  const contexts: ContextsConfig = { short: { distractors: 0 }, long: { maxTokens: BUDGET } };
  let options: ComposeOptions & { readonly pool: DocumentPool };
  let examples: Example[];
  let composed: ContextPair[];
  let drawnOf: (context: ComposedContext, example: Example) => Example['documents'];

  beforeAll(async () => {
    const text = await TextModel.fromFolder(join(DATA, 'models/qwen2.5-0.5b-instruct'));
    examples = [];
    const content = createReadStream(join(DATA, 'musique/musique_ans_train_100.jsonl'));
    for await (const line of readExamples(content, 'musique')) if ('example' in line) examples.push(line.example);
    options = { prompt: promptSchema.parse({}), text, seed: 3, pool: new DocumentPool(documentsOf(examples)) };
    composed = examples.map((example) => made(composeContexts(example, { ...options, contexts })));
    drawnOf = drawnFrom(examples, options);
  });

  it('fills long contexts to within one document of the budget, whole and never above', () => {
    const gaps: number[] = [];
    let pooled = 0;
    for (const [place, example] of examples.entries()) {
      const { short, long } = composed[place]!;
      const drawn = drawnOf(long, example);
      expectSound(short, example, options, []);
      expectSound(long, example, options, drawn);
      expect(short.documents.every((index) => example.documents[index]!.relevant)).toBe(true);
      expect(long.documents).toEqual(expect.arrayContaining([...short.documents]));
      for (const document of drawn.filter(Boolean)) {
        pooled += 1;
        for (const answer of example.answers) {
          expect(normalizeCase(`${document.title} ${document.text}`)).not.toContain(normalizeCase(answer));
        }
      }
      expect(long.tokens.length).toBeLessThanOrEqual(BUDGET);
      gaps.push(BUDGET - long.tokens.length);
      const leftOut = example.documents.filter((_, index) => !long.documents.includes(index));
      if (leftOut.length > 0) {
        const sizes = leftOut.map((document) => pieceOf(document, options.prompt, options.text).stretch.tokens.length);
        expect(gaps.at(-1)).toBeLessThan(Math.max(...sizes));
      } else {
        expect(gaps.at(-1)).toBeLessThan(200);
      }
    }
    expect(pooled).toBeGreaterThan(20);
    expect(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length).toBeLessThan(60);
  });

  it('is exact to the token: a budget of the length reached gives the same context, one less gives another', () => {
    for (const example of examples.slice(0, 10)) {
      const { long } = made(composeContexts(example, { ...options, contexts }));
      const at = (maxTokens: number) =>
        made(composeContexts(example, { ...options, contexts: { ...contexts, long: { maxTokens } } })).long;
      expect(at(long.tokens.length).tokens.length).toBe(long.tokens.length);
      expect(at(long.tokens.length - 1).tokens.length).toBeLessThan(long.tokens.length);
    }
  });

  it('depends on seed and example alone', () => {
    const compose = (seed: number, list: readonly Example[]) =>
      list.map((example) => composeContexts(example, { ...options, seed, contexts }));
    const first = compose(3, examples.slice(0, 8));
    const backwards = compose(3, examples.slice(0, 8).reverse()).reverse();
    expect(backwards).toEqual(first);
    expect(compose(4, examples.slice(0, 8))).not.toEqual(first);
  });

  it('shuffles: the evidence of the long contexts is everywhere', () => {
    const places = composed.flatMap(({ long }) =>
      long.evidence.map(({ start }) => Math.floor((4 * start) / long.tokens.length)),
    );
    for (const quarter of [0, 1, 2, 3]) {
      expect(places.filter((place) => place === quarter).length).toBeGreaterThan(places.length / 8);
    }
  });

  it('without a pool uses the example alone, and stays short where that is too little', () => {
    const { pool, ...alone } = options;
    expect(pool).toBeDefined();
    const lengths = examples.slice(0, 40).map((example) => {
      const { long } = made(composeContexts(example, { ...alone, contexts }));
      expectSound(long, example, alone, []);
      return long.tokens.length;
    });
    expect(Math.max(...lengths)).toBeLessThanOrEqual(BUDGET);
    expect(Math.min(...lengths)).toBeLessThan(1800);
  });

  it.each([
    ['a separator that merges with the documents around it', { separator: '.\n' }],
    ['no separator', { separator: '', document: ' {text}' }],
    ['documents in the middle of words', { separator: 'x', document: '{text}', user: 'y{documents}z {question}' }],
  ])('finds the evidence with %s', (_, change) => {
    const prompt = promptSchema.parse(change);
    for (const example of examples.slice(0, 10)) {
      const { short, long } = made(composeContexts(example, { ...options, pool: undefined, prompt, contexts }));
      for (const context of [short, long]) {
        const documents = context.documents.map((index) => renderDocument(example.documents[index]!, prompt));
        const messages = promptMessages(example.question, documents.join(prompt.separator), prompt);
        expect(context.tokens.join()).toBe(options.text.promptTokens(messages).join());
        expect(context.tokens.length).toBeLessThanOrEqual(BUDGET);
        for (const { document, start, end } of context.evidence) {
          const wanted = renderDocument(example.documents[document]!, prompt).normalize('NFC');
          const decoded = options.text.decode(context.tokens.subarray(start, end));
          expect(decoded).toContain(wanted);
          expect(decoded.length - wanted.length).toBeLessThan(24);
        }
      }
    }
  });

  it('refuses what it cannot make', () => {
    const example = examples[0]!;
    const withoutPool = { ...options, pool: undefined };
    const refused = (changed: Example, config: ContextsConfig, given: ComposeOptions = withoutPool) =>
      refusal(composeContexts(changed, { ...given, contexts: config }));
    const short = { distractors: 0 };
    const irrelevant = {
      ...example,
      documents: example.documents.map((document) => ({ ...document, relevant: false })),
    };
    expect(refused(irrelevant, contexts)).toBe('no-relevant-document');
    expect(refused(example, { short, long: { maxTokens: 64 } })).toBe('short-exceeds-budget');
    expect(refused(example, { short: { distractors: 8 }, long: { documents: 8 } })).toBe('short-exceeds-budget');
    expect(refused(example, { short, long: { documents: 21 } })).toBe('too-few-documents');
    expect(refused(example, { short: { distractors: 30 }, long: { documents: 40 } })).toBe('too-few-documents');
    expect(refused(example, { short, long: { documents: 21 } }, options)).toBeUndefined();
    expect(refusal(composeAt(example, 1, options))).toBe('short-exceeds-budget');
    expect(refusal(composeAt(example, 21, withoutPool))).toBe('too-few-documents');
    expect(refusal(composeAt(irrelevant, 3, options))).toBe('no-relevant-document');
  });
});

describe('with the retrieval task and its tokenizer', () => {
  const text = TextModel.fromFiles(retrievalTokenizer());
  const options: ComposeOptions = { prompt: RETRIEVAL_PROMPT, text, seed: 0 };
  const contexts: ContextsConfig = { short: { distractors: 3 }, long: { documents: 16 } };
  const compose = (example: Example, config = contexts): ContextPair =>
    made(composeContexts(example, { ...options, contexts: config }));

  it('makes contexts of 4 and 16 documents, 64 and 217 tokens on average', () => {
    const pairs = [...retrievalExamples({ seed: 1, count: 300, documents: 16 })].map((example) => {
      const pair = compose(example);
      expectSound(pair.short, example, options, []);
      expectSound(pair.long, example, options, []);
      expect(pair.short.documents).toHaveLength(4);
      expect(pair.long.documents).toHaveLength(16);
      expect(pair.long.documents).toEqual(expect.arrayContaining([...pair.short.documents]));
      return pair;
    });
    const mean = (lengths: number[]) => lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    expect(mean(pairs.map(({ short }) => short.tokens.length))).toBeCloseTo(64, -1);
    expect(mean(pairs.map(({ long }) => long.tokens.length))).toBeCloseTo(217, -1);
  });

  it('gives x_long = x_short where no document is added', () => {
    const [example] = retrievalExamples({ seed: 1, count: 1, documents: 4 });
    const { short, long } = compose(example!, { ...contexts, long: { documents: 4 } });
    expect(long).toBe(short);
    expect(compose(example!, { ...contexts, long: { maxTokens: short.tokens.length } }).long).toEqual(short);
  });

  it('meets the budget exactly where the last separator is not part of the prompt', () => {
    const prompt = { ...RETRIEVAL_PROMPT, separator: ' . . . . . . . . ' };
    for (const example of retrievalExamples({ seed: 4, count: 20, documents: 16 })) {
      const all = made(composeAt(example, 16, { ...options, prompt }));
      const long = { maxTokens: all.tokens.length };
      const filled = made(composeContexts(example, { ...options, prompt, contexts: { ...contexts, long } })).long;
      expect(filled.documents).toHaveLength(16);
      expect(filled.tokens).toHaveLength(all.tokens.length);
    }
  });

  it('keeps the documents of a shorter evaluation context in a longer one', () => {
    const [example] = retrievalExamples({ seed: 2, count: 1, documents: 32 });
    let shorter: readonly number[] = [];
    for (const count of [4, 8, 16, 24, 32]) {
      const context = made(composeAt(example!, count, options));
      expectSound(context, example!, options, []);
      expect(context.documents).toHaveLength(count);
      expect(context.documents).toEqual(expect.arrayContaining([...shorter]));
      shorter = context.documents;
    }
  });

  it('tells the place of the evidence in an evaluation context without composing it', () => {
    for (const example of retrievalExamples({ seed: 5, count: 20, documents: 16 }))
      for (const count of [1, 4, 16]) {
        const { documents } = made(composeAt(example, count, options));
        const places = documents.flatMap((document, place) =>
          example.documents[document]?.relevant === true ? [(place + 0.5) / count] : [],
        );
        const mean = places.reduce((sum, place) => sum + place, 0) / places.length;
        expect(evidencePlaceAt(example, count, options)).toBeCloseTo(mean, 12);
      }
    const [example] = retrievalExamples({ seed: 5, count: 1, documents: 4 });
    expect(evidencePlaceAt(example!, 5, { seed: 1 })).toEqual({ refused: 'too-few-documents' });
  });
});
