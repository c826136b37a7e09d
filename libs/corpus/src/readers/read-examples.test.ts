import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { linesOf } from './lines.ts';
import { readExamples } from './read-examples.ts';
import type { ReadLine } from './read-examples.ts';
import { exampleLine } from './solopo.reader.ts';

const MUSIQUE = join(import.meta.dirname, '../../../../data/musique');
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

async function read(lines: AsyncIterable<string> | string, format: 'solopo' | 'musique'): Promise<ReadLine[]> {
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
    const lines = await read(linesOf(createReadStream(join(MUSIQUE, file))), 'musique');
    const examples = lines.flatMap((line) => ('example' in line ? [line.example] : []));
    expect(examples).toHaveLength(count);
    expect(lines).toHaveLength(count);
    for (const { id, documents } of examples) {
      expect(documents).toHaveLength(20);
      expect(documents.filter(({ relevant }) => relevant)).toHaveLength(Number(id[0]));
    }
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
