import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { DatasetFormat } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { linesOf } from './lines.ts';
import { readExamples } from './read-examples.ts';
import type { ReadLine } from './read-examples.ts';
import { exampleLine } from './solopo.reader.ts';

const DATA = join(import.meta.dirname, '../../../../data');
const example = {
  id: 'e1',
  question: 'Who?',
  answers: ['Ada'],
  documents: [
    { title: 'Ada', text: 'Ada did.', relevant: true },
    { text: 'Nobody did.', relevant: false },
  ],
};
const record = {
  id: 'm1',
  question: 'Who?',
  answer: 'Ada',
  answer_aliases: ['Lovelace', 'Ada', ''],
  answerable: true,
  paragraphs: [{ idx: 0, title: 'T', paragraph_text: 'Ada did.', is_supporting: true }],
};

async function read(lines: AsyncIterable<string> | string, format: DatasetFormat): Promise<ReadLine[]> {
  const found: ReadLine[] = [];
  for await (const line of readExamples(lines, format)) found.push(line);
  return found;
}

describe('solopo lines', () => {
  it('come back as they were written', async () => {
    expect(await read(exampleLine(example), 'solopo')).toEqual([{ line: 1, example }]);
    expect(await read(`\uFEFF${JSON.stringify(example)}\r\n\r\n`, 'solopo')).toEqual([{ line: 1, example }]);
  });

  it('that cannot be read are reported by number and reason, and the rest is read', async () => {
    const text = [
      JSON.stringify(example),
      '{"id": ',
      '',
      JSON.stringify({ ...example, id: 'e2', answers: [] }),
      JSON.stringify({ ...example, id: 'e3', documents: [{ text: 'x' }], extra: 1 }),
      JSON.stringify(example),
      '[]',
      JSON.stringify({ ...example, id: 'e4' }),
    ].join('\n');
    const lines = await read(text, 'solopo');
    expect(lines.map(({ line }) => line)).toEqual([1, 2, 4, 5, 6, 7, 8]);
    const reasons = lines.flatMap((line) => ('reason' in line ? [line.reason] : []));
    expect(reasons[0]).toMatch(/^not JSON: /);
    expect(reasons[1]).toMatch(/^answers: /);
    expect(reasons[2]).toMatch(/documents\.0\.relevant: .*; .*extra/);
    expect(reasons[3]).toBe('id "e1" was already on line 1');
    expect(reasons[4]).toMatch(/expected object/);
    expect(lines.at(-1)).toEqual({ line: 8, example: { ...example, id: 'e4' } });
  });
});

describe('musique records', () => {
  it('become examples', async () => {
    expect(await read(JSON.stringify(record), 'musique')).toEqual([
      {
        line: 1,
        example: {
          id: 'm1',
          question: 'Who?',
          answers: ['Ada', 'Lovelace'],
          documents: [{ title: 'T', text: 'Ada did.', relevant: true }],
        },
      },
    ]);
  });

  it('that cannot be answered are reported', async () => {
    expect(await read(JSON.stringify({ ...record, answerable: false }), 'musique')).toEqual([
      { line: 1, reason: 'answerable: must be true' },
    ]);
  });

  it.each([
    ['musique_ans_train_100.jsonl', 100],
    ['musique_ans_dev_40.jsonl', 40],
  ])('of %s are all read, line by line', async (file, count) => {
    const lines = await read(linesOf(createReadStream(join(DATA, 'musique', file))), 'musique');
    const examples = lines.flatMap((line) => ('example' in line ? [line.example] : []));
    expect(examples).toHaveLength(count);
    expect(lines).toHaveLength(count);
    for (const { id, documents } of examples) {
      expect(documents).toHaveLength(20);
      expect(documents.filter(({ relevant }) => relevant)).toHaveLength(Number(id[0]));
    }
  });
});

describe.each(['hotpotqa', '2wiki'] as const)('%s records', (format) => {
  const facts = {
    _id: 'h1',
    question: 'Who?',
    answer: 'Ada',
    context: [
      ['Ada', ['Ada did.', format === 'hotpotqa' ? ' She was first.' : 'She was first.']],
      ['Bob', ['Bob did not.']],
      ['Bob', ['Bob did not.']],
      ['Nobody', []],
    ],
    supporting_facts: [
      ['Ada', 1],
      ['Ada', 0],
    ],
    type: 'bridge',
  };
  const reason = async (change: object) => {
    const [line] = await read(JSON.stringify({ ...facts, ...change }), format);
    return line && 'reason' in line ? line.reason : undefined;
  };

  it('become examples: whole paragraphs, each once, with the supporting ones relevant', async () => {
    expect(await read(JSON.stringify(facts), format)).toEqual([
      {
        line: 1,
        example: {
          id: 'h1',
          question: 'Who?',
          answers: ['Ada'],
          documents: [
            { title: 'Ada', text: 'Ada did. She was first.', relevant: true },
            { title: 'Bob', text: 'Bob did not.', relevant: false },
          ],
        },
      },
    ]);
  });

  it('without their evidence, or without a field, are reported', async () => {
    expect(await reason({ supporting_facts: [['Eve', 0]] })).toBe('supporting_facts: "Eve" is not a title of context');
    expect(await reason({ supporting_facts: [['Nobody', 0]] })).toBe('supporting_facts: "Nobody" has no text');
    expect(await reason({ supporting_facts: [] })).toMatch(/^supporting_facts: /);
    expect(await reason({ context: [['Ada', 'Ada did.']] })).toMatch(/^context\.0\.1: .*expected array/);
    expect(await reason({ _id: undefined, id: 'h1' })).toMatch(/^_id: /);
    expect(await reason({ answer: '' })).toMatch(/^answer: /);
  });
});

describe('the bundled records', () => {
  it.each([
    ['hotpotqa', 'hotpotqa/hotpot_train_100.jsonl', 100],
    ['hotpotqa', 'hotpotqa/hotpot_dev_distractor_40.jsonl', 40],
    ['2wiki', '2wikimultihopqa/2wiki_dev_first_100.jsonl', 100],
    ['2wiki', '2wikimultihopqa/2wiki_dev_last_40.jsonl', 40],
  ] as const)('of %s in %s are all read', async (format, file, count) => {
    const lines = await read(linesOf(createReadStream(join(DATA, file))), format);
    const examples = lines.flatMap((line) => ('example' in line ? [line.example] : []));
    expect(lines).toHaveLength(count);
    expect(examples).toHaveLength(count);
    for (const { id, documents } of examples) {
      const relevant = documents.filter((document) => document.relevant).length;
      expect(format === 'hotpotqa' ? [2] : [2, 4], id).toContain(relevant);
      for (const { text } of documents) expect(text, id).not.toMatch(/^\s|\s$/);
    }
    const sentences = examples.flatMap(({ documents }) => documents.map(({ text }) => text));
    expect(sentences.filter((text) => /[a-z]\.[A-Z][a-z]+ [a-z]/.test(text)).length).toBeLessThan(count / 20);
  });
});

describe('linesOf', () => {
  const lines = async (...chunks: (Uint8Array | string)[]) => {
    const found: string[] = [];
    for await (const line of linesOf(ReadableStream.from(chunks))) found.push(line);
    return found;
  };

  it('parts at line feeds alone, wherever the chunks part', async () => {
    const text = 'one\u2028é\n\ntwo\r\nthree';
    const expected = ['one\u2028é', '', 'two\r', 'three'];
    const bytes = new TextEncoder().encode(text);
    expect(await lines(text)).toEqual(expected);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(await lines(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(expected);
    }
    expect(await lines('end\n')).toEqual(['end']);
  });
});
