import { exampleSchema } from '@solopo/contracts';
import { TextModel } from '@solopo/text';
import { describe, expect, it } from 'vitest';
import { promptMessages } from '../contexts/prompt.ts';
import { RETRIEVAL_PROMPT, retrievalExamples } from './examples.ts';
import { pretrainingBatch } from './pretraining.ts';
import type { PretrainingBatch } from './pretraining.ts';
import { retrievalTokenizer } from './tokenizer.ts';
import { ADJECTIVES, CODE_WORDS, NAMES, NOUNS, VOCABULARY } from './vocabulary.ts';

const text = TextModel.fromFiles(retrievalTokenizer());
const EOS = text.idOf('<eos>')!;

describe('the vocabulary', () => {
  it('has the sizes of the recipe and no word twice', () => {
    expect([NAMES, CODE_WORDS, NOUNS, ADJECTIVES].map((words) => words.length)).toEqual([96, 62, 16, 10]);
    expect(new Set(VOCABULARY).size).toBe(VOCABULARY.length);
  });

  it('has no code word inside another', () => {
    for (const word of CODE_WORDS) expect(CODE_WORDS.filter((other) => other.includes(word))).toEqual([word]);
  });
});

describe('the tokenizer', () => {
  it('has one token a word, and gives the words back', () => {
    expect([...text.encode(VOCABULARY.join(' '))]).toEqual(VOCABULARY.map((_, id) => id));
    expect(text.decode(text.encode('the code of alice is anchor zipper .'))).toBe(
      'the code of alice is anchor zipper .',
    );
    expect(text.vocabularySize).toBe(VOCABULARY.length);
    expect([text.eosIds, text.padId]).toEqual([[EOS], text.idOf('<pad>')]);
  });

  it('knows no pieces of words', () => {
    expect([...text.encode('codecode xyz')]).toEqual([text.idOf('<unk>'), text.idOf('<unk>')]);
  });

  it('ends an answer with <eos> and adds nothing else', () => {
    const messages = promptMessages('what is the code of alice ? answer : alice is', 'doc : a day .', RETRIEVAL_PROMPT);
    expect(text.decode(text.promptTokens(messages))).toBe(
      'doc : a day . question : what is the code of alice ? answer : alice is',
    );
    expect(text.decode(text.responseTokens(messages, 'anchor zipper'))).toBe('anchor zipper <eos>');
    expect([...text.responseTail]).toEqual([EOS]);
  });
});

describe('examples', () => {
  const examples = [...retrievalExamples({ seed: 5, count: 200, documents: 16 })];

  it('are canonical, made of known words, and answered by their relevant document alone', () => {
    expect(new Set(examples.map(({ id }) => id)).size).toBe(200);
    for (const example of examples) {
      expect(exampleSchema.parse(example)).toEqual(example);
      const texts = [example.question, ...example.answers, ...example.documents.map((document) => document.text)];
      expect(text.encode(texts.join(' '))).not.toContain(text.idOf('<unk>'));

      const name = /code of (\w+) \?/.exec(example.question)![1]!;
      const naming = example.documents.filter((document) => document.text.split(' ').includes(name));
      expect(naming.map(({ relevant }) => relevant)).toEqual([true]);
      expect(naming[0]!.text).toContain(`${name} is ${example.answers[0]} .`);
      const [first, second] = example.answers[0]!.split(' ');
      expect(first).not.toBe(second);
    }
  });

  it('depend on seed and position, not on how many there are', () => {
    expect([...retrievalExamples({ seed: 5, count: 3, documents: 16 })]).toEqual(examples.slice(0, 3));
    const [other] = retrievalExamples({ seed: 6, count: 1, documents: 16 });
    expect(other).not.toEqual(examples[0]);
  });

  it('have a filler sentence two times in five', () => {
    const documents = examples.flatMap((example) => example.documents);
    const filled = documents.filter((document) => document.text.split('.').length > 2);
    expect(filled.length / documents.length).toBeCloseTo(0.4, 1);
  });
});

describe('pretraining batches', () => {
  const batches = Array.from({ length: 150 }, (_, step) => pretrainingBatch(0, step, text));
  const ofKind = (kind: PretrainingBatch['kind']) => batches.filter((batch) => batch.kind === kind);
  const words = (ids: Iterable<number>) => [...ids].map((id) => VOCABULARY[id]!);

  it('are a function of seed and step', () => {
    expect(pretrainingBatch(0, 7, text)).toEqual(batches[7]);
    expect(pretrainingBatch(1, 7, text)).not.toEqual(batches[7]);
  });

  it('come in the shares of the recipe, with about 3,800 tokens each', () => {
    expect(ofKind('roster').length / batches.length).toBeCloseTo(0.2, 1);
    expect(ofKind('long').length / batches.length).toBeCloseTo(0.8 * 0.15, 1);
    const tokens = batches.flatMap((batch) => batch.tokens.map((ids) => ids.length));
    const mean = tokens.reduce((sum, length) => sum + length, 0) / batches.length;
    expect(mean).toBeGreaterThan(3000);
    expect(mean).toBeLessThan(4200);
    expect(batches.flatMap((batch) => batch.tokens.flatMap((ids) => [...ids]))).not.toContain(text.idOf('<unk>'));
  });

  it('weigh 1 on answers, 0.03 on documents and 0 on questions', () => {
    for (const { tokens, weights } of [...ofKind('short'), ...ofKind('long')]) {
      tokens.forEach((ids, sequence) => {
        const weight = weights[sequence]!;
        expect(weight).toHaveLength(ids.length);
        expect(weight[0]).toBe(0);
        const questionStart = ids.indexOf(text.idOf('question')!);
        expect(new Set(weight.subarray(1, questionStart))).toEqual(new Set([Math.fround(0.03)]));
        ids.forEach((id, t) => {
          if (id === EOS) expect([...weight.subarray(t - 3, t + 2)].slice(0, 4)).toEqual([0, 1, 1, 1]);
        });
        const answered = weight.filter((value) => value === 1).length;
        expect(answered).toBe(3 * ids.filter((id) => id === EOS).length);
      });
    }
  });

  it('answer one question in four with another code of the same context', () => {
    let answers = 0;
    let wrong = 0;
    for (const { tokens } of [...ofKind('short'), ...ofKind('long')]) {
      for (const ids of tokens) {
        const [documents, ...questions] = words(ids).join(' ').split(' question : ');
        const facts = new Map(
          [...documents!.matchAll(/(\w+) is (\w+ \w+) \./g)].map((match) => [match[1]!, match[2]!]),
        );
        if (facts.size < 2) continue;
        for (const question of questions) {
          const [, name, code] = /answer : (\w+) is (\w+ \w+) <eos>/.exec(question)!;
          answers += 1;
          if (facts.get(name!) !== code) wrong += 1;
          expect([...facts.values()]).toContain(code);
        }
      }
    }
    expect(wrong / answers).toBeCloseTo(0.25, 1);
  });

  it('of rosters weigh only the codes of the 12 repeats', () => {
    for (const { tokens, weights } of ofKind('roster')) {
      expect(tokens).toHaveLength(64);
      tokens.forEach((ids, sequence) => {
        const weighed = [...weights[sequence]!.keys()].filter((t) => weights[sequence]![t] === 1);
        expect(weighed).toHaveLength(24);
        const facts = words(ids.subarray(0, ids.length - 12 * 5)).join(' ');
        for (let place = 0; place < 24; place += 2) {
          const t = weighed[place]!;
          expect(facts).toContain(words(ids.subarray(t - 2, t + 3)).join(' '));
        }
      });
    }
  });
});
