import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { DatasetFormat } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { linesOf } from './lines.ts';
import { readExamples } from './read-examples.ts';
import type { ReadLine } from './read-examples.ts';
import { exampleLine } from './solopo.reader.ts';
import { textOf } from './utf8.ts';

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

async function read(
  content: AsyncIterable<Uint8Array> | string,
  format: DatasetFormat,
  maxLength?: number,
): Promise<ReadLine[]> {
  const found: ReadLine[] = [];
  for await (const line of readExamples(content, format, maxLength === undefined ? {} : { maxLength }))
    found.push(line);
  return found;
}

/** The content, parted in two at every place. */
function* halves(content: Uint8Array): Generator<AsyncIterable<Uint8Array>> {
  for (let cut = 0; cut <= content.length; cut++)
    yield ReadableStream.from([content.subarray(0, cut), content.subarray(cut)]);
}

const bytesOf = (text: string) => Buffer.from(text, 'utf8');
/** Text of code points up to U+00FF, a byte each. */
const latin1 = (text: string) => ReadableStream.from([Buffer.from(text, 'latin1')]);
const reasonsOf = (lines: readonly ReadLine[]) =>
  lines.flatMap((line) => ('reason' in line ? [[line.line, line.reason]] : []));

describe('solopo lines', () => {
  it('come back as they were written', async () => {
    expect(await read(exampleLine(example), 'solopo')).toEqual([{ line: 1, example }]);
    expect(await read(`\uFEFF${JSON.stringify(example)}\r\n\r\n`, 'solopo')).toEqual([{ line: 1, example }]);
  });

  it('are read behind a byte order mark, wherever its bytes part', async () => {
    for (const content of halves(bytesOf(`\uFEFF${exampleLine(example)}`)))
      expect(await read(content, 'solopo')).toEqual([{ line: 1, example }]);
    for (const content of halves(bytesOf(`\uFEFF\n[${JSON.stringify(example)}]`)))
      expect(await read(content, 'solopo')).toEqual([{ line: 1, example }]);
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
    expect(reasons[4]).toBe('must be an object, not a list');
    expect(lines.at(-1)).toEqual({ line: 8, example: { ...example, id: 'e4' } });
  });
});

it.each(['[', '{"a":'])('a line of %s over and over is refused, and the next one read', async (opening) => {
  const closing = opening === '[' ? ']' : '}';
  const deep = `{"id": ${opening.repeat(50_000)}1${closing.repeat(50_000)}}`;
  const reason = 'has lists or objects more than 100 deep in one another';
  expect(await read(`${deep}\n${exampleLine(example)}`, 'solopo')).toEqual([
    { line: 1, reason },
    { line: 2, example },
  ]);
  expect(await read(`[${deep}, ${exampleLine(example)}]`, 'hotpotqa')).toMatchObject([
    { line: 1, reason },
    { line: 2 },
  ]);
});

describe('a field that is not what it must be', () => {
  it.each<readonly [DatasetFormat, string, object]>([
    ['solopo', 'question: is missing; it must be text', { ...example, question: undefined }],
    ['solopo', 'answers: must be a list, not text', { ...example, answers: 'Ada' }],
    ['solopo', 'answers: must not be empty', { ...example, answers: [] }],
    ['solopo', 'id: must be text, not 5', { ...example, id: 5 }],
    ['solopo', 'id: must not be empty', { ...example, id: '' }],
    ['solopo', '"note", "type" must not be there; the format has no such field', { ...example, note: 1, type: 2 }],
    [
      'solopo',
      'documents.0.relevant: must be true or false, not null',
      { ...example, documents: [{ text: 'x', relevant: null }] },
    ],
    ['musique', 'paragraphs: is missing; it must be a list', { ...record, paragraphs: undefined }],
    ['musique', 'paragraphs.0: must be an object, not text', { ...record, paragraphs: ['x'] }],
    [
      '2wiki',
      'supporting_facts.0.sent_id: must be a whole number, not 0.5',
      { _id: 'h1', question: 'q?', answer: 'Ada', context: [['A', ['a']]], supporting_facts: [['A', 0.5]] },
    ],
  ])('is told in plain words, not in those of the library: %s, %s', async (format, reason, change) => {
    expect(reasonsOf(await read(JSON.stringify(change), format))).toEqual([[1, reason]]);
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
    const lines = await read(createReadStream(join(DATA, 'musique', file)), 'musique');
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
    expect(await reason({ context: [['Ada', 'Ada did.']] })).toBe('context.0.sentences: must be a list, not text');
    expect(await reason({ _id: undefined })).toMatch(/^_id: /);
    expect(await reason({ answer: '' })).toMatch(/^answer: /);
  });

  it('have no empty paragraphs, whatever title these have', async () => {
    const context = [
      ['Ada', ['Ada did.']],
      ['Ada', []],
      ['Bob', ['x']],
    ];
    const [line] = await read(JSON.stringify({ ...facts, context, supporting_facts: [['Ada', 0]] }), format);
    expect(line).toMatchObject({ example: { documents: [{ title: 'Ada', text: 'Ada did.' }, { title: 'Bob' }] } });
  });
});

describe('the bundled records', () => {
  it.each([
    ['hotpotqa', 'hotpotqa/hotpot_train_100.jsonl', 100],
    ['hotpotqa', 'hotpotqa/hotpot_dev_distractor_40.jsonl', 40],
    ['2wiki', '2wikimultihopqa/2wiki_dev_first_100.jsonl', 100],
    ['2wiki', '2wikimultihopqa/2wiki_dev_last_40.jsonl', 40],
  ] as const)('of %s in %s are all read', async (format, file, count) => {
    const lines = await read(createReadStream(join(DATA, file)), format);
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

describe('records in the form that the datasets library exports', () => {
  type Fields = Readonly<Record<string, unknown>>;
  const columns = (rows: readonly unknown[][], fields: readonly string[]): Fields =>
    Object.fromEntries(fields.map((field, at) => [field, rows.map((row) => row[at])]));
  const objects = (rows: readonly unknown[][], fields: readonly string[]): Fields[] =>
    rows.map((row) => Object.fromEntries(fields.map((field, at) => [field, row[at]])));
  const asText = (value: unknown): string => JSON.stringify(value);
  const LISTS: Readonly<Record<string, readonly string[]>> = {
    context: ['title', 'sentences'],
    supporting_facts: ['title', 'sent_id'],
  };
  const withLists = (
    record: Fields,
    form: (rows: readonly unknown[][], fields: readonly string[]) => unknown,
  ): Fields =>
    Object.fromEntries(
      Object.entries(record).map(([key, value]) => [key, LISTS[key] ? form(value as unknown[][], LISTS[key]) : value]),
    );
  const withId = ({ _id, ...record }: Fields): Fields => ({ id: _id, ...record });
  const withParagraphs = ({ paragraphs, ...record }: Fields): Fields => {
    const rows = paragraphs as readonly Fields[];
    const fields = Object.keys(rows[0]!);
    return { ...record, paragraphs: Object.fromEntries(fields.map((field) => [field, rows.map((row) => row[field])])) };
  };

  it.each<readonly [DatasetFormat, string, string, (record: Fields) => Fields]>([
    [
      'hotpotqa',
      'id, objects of lists',
      'hotpotqa/hotpot_dev_distractor_40.jsonl',
      (record) => withId(withLists(record, columns)),
    ],
    [
      '2wiki',
      'id, objects of lists',
      '2wikimultihopqa/2wiki_dev_last_40.jsonl',
      (record) => withId(withLists(record, columns)),
    ],
    ['2wiki', 'lists of objects', '2wikimultihopqa/2wiki_dev_last_40.jsonl', (record) => withLists(record, objects)],
    [
      '2wiki',
      'JSON text in columns',
      '2wikimultihopqa/2wiki_dev_last_40.jsonl',
      (record) => ({ ...withLists(record, asText), evidences: asText(record['evidences']) }),
    ],
    [
      '2wiki',
      'objects of lists as JSON text',
      '2wikimultihopqa/2wiki_dev_last_40.jsonl',
      (record) => withLists(record, (rows, fields) => asText(columns(rows, fields))),
    ],
    ['musique', 'an object of lists', 'musique/musique_ans_dev_40.jsonl', withParagraphs],
    [
      'musique',
      'null for what a record lacks',
      'musique/musique_ans_dev_40.jsonl',
      ({ answerable: _, ...record }) => ({ ...record, answerable: null }),
    ],
  ])('were refused, and are the same examples: %s with %s', async (format, _, file, exported) => {
    const published = readFileSync(join(DATA, file), 'utf8').trim();
    const records = published.split('\n').map((line) => JSON.parse(line) as Fields);
    const lines = await read(records.map((record) => JSON.stringify(exported(record))).join('\n'), format);
    expect(lines).toHaveLength(40);
    expect(lines).toEqual(await read(published, format));
  });

  it('may have null for aliases', async () => {
    const [line] = await read(JSON.stringify({ ...record, answer_aliases: null }), 'musique');
    expect(line).toMatchObject({ example: { answers: ['Ada'] } });
  });

  it('that do not fit together are reported by the field', async () => {
    const facts = { id: 'h1', question: 'q?', answer: 'Ada', supporting_facts: { title: ['A'], sent_id: [0] } };
    const reason = async (context: unknown) =>
      reasonsOf(await read(JSON.stringify({ ...facts, context }), 'hotpotqa'))[0]?.[1];
    expect(await reason({ title: ['A', 'B'], sentences: [['a']] })).toBe(
      'context: its lists title, sentences must be of one length, not of 2, 1',
    );
    expect(await reason({ title: ['A'] })).toBe('context.sentences: must be a list');
    expect(await reason("[['A', ['a']]]")).toMatch(/^context: is text, and must be a list or JSON text of one: /);
    expect(await reason({ title: [], sentences: [] })).toMatch(/^context: /);
  });
});

describe('texts that say nothing', () => {
  it.each([
    ['an answer of white space', { answers: ['Ada', '   '] }, 'answers.1: must not be blank'],
    ['an answer without a shape', { answers: ['\u200b'] }, 'answers.0: must not be blank'],
    ['a question of white space', { question: ' \n' }, 'question: must not be blank'],
    [
      'a document of white space',
      { documents: [{ text: '\t', relevant: true }] },
      'documents.0.text: must not be blank',
    ],
  ])('are refused: %s', async (_, change, reason) => {
    expect(reasonsOf(await read(JSON.stringify({ ...example, ...change }), 'solopo'))).toEqual([[1, reason]]);
  });

  it.each([
    ['musique', { ...record, answer: ' ' }],
    ['hotpotqa', { _id: 'h1', question: 'q?', answer: ' ', context: [['A', ['a']]], supporting_facts: [['A', 0]] }],
    ['2wiki', { _id: 'h1', question: 'q?', answer: ' ', context: [['A', ['a']]], supporting_facts: [['A', 0]] }],
  ] as const)('are refused in %s records too', async (format, change) => {
    expect(reasonsOf(await read(JSON.stringify(change), format))).toEqual([[1, 'answer: must not be blank']]);
  });

  it('are not answers with white space around them, which loses it', async () => {
    const [line] = await read(JSON.stringify({ ...example, answers: [' Ada\n'] }), 'solopo');
    expect(line).toEqual({ line: 1, example });
    const [found] = await read(
      JSON.stringify({ ...record, answer: ' Ada ', answer_aliases: ['Ada ', ' '] }),
      'musique',
    );
    expect(found).toMatchObject({ example: { answers: ['Ada'] } });
  });
});

describe('what is read of a corpus is an example of the own format too, in which it is kept', () => {
  const unseen = '\u200b';
  const facts = { _id: 'h1', question: 'q?', answer: 'Ada', supporting_facts: [['A', 0]] };
  const paragraphs = (...texts: (readonly [text: string, supports: boolean])[]) =>
    texts.map(([paragraph_text, is_supporting]) => ({ title: 'T', paragraph_text, is_supporting }));

  it.each([
    ['musique', 'an alias without a shape', { ...record, answer_aliases: [unseen, 'Lovelace'] }],
    ['musique', 'a paragraph without a shape', { ...record, paragraphs: paragraphs(['a', true], [unseen, false]) }],
    [
      'hotpotqa',
      'a paragraph without a shape',
      {
        ...facts,
        context: [
          ['A', ['a']],
          ['B', [unseen]],
        ],
      },
    ],
    [
      '2wiki',
      'sentences of control characters',
      {
        ...facts,
        context: [
          ['A', ['a']],
          ['B', ['\u0001', '\u0002']],
        ],
      },
    ],
  ] as const)('%s: %s is left out', async (format, _, change) => {
    const [line] = await read(JSON.stringify(change), format);
    const found = line && 'example' in line ? line.example : undefined;
    expect(found?.documents).toHaveLength(1);
    expect(await read(exampleLine(found!), 'solopo')).toEqual([{ line: 1, example: found }]);
  });

  it.each([
    [
      'musique',
      'paragraphs.0.paragraph_text: must not be blank',
      { ...record, paragraphs: paragraphs([unseen, true]) },
    ],
    ['hotpotqa', 'supporting_facts: "A" has no text', { ...facts, context: [['A', [unseen]]] }],
  ] as const)('%s: evidence without a shape is refused', async (format, reason, change) => {
    expect(reasonsOf(await read(JSON.stringify(change), format))).toEqual([[1, reason]]);
  });

  it('musique: a paragraph that is there twice is taken once, relevant where either is', async () => {
    const [line] = await read(
      JSON.stringify({ ...record, paragraphs: paragraphs(['a', true], ['b', false], ['a', false]) }),
      'musique',
    );
    expect(line).toMatchObject({
      example: {
        documents: [
          { text: 'a', relevant: true },
          { text: 'b', relevant: false },
        ],
      },
    });
  });
});

describe('a file of another kind', () => {
  const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le');
  it.each([
    ['compressed by gzip', gzipSync(exampleLine(example))],
    ['a zip archive', Buffer.from('PK\x03\x04\x14\x00\x00')],
    ['a Parquet file', Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(30, 0xe9)])],
    ['text in UTF-16', utf16(exampleLine(example))],
    ['text in UTF-16', utf16(JSON.stringify([example])).swap16()],
    ['a Git LFS pointer', bytesOf('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n')],
    ['a web page', bytesOf('\n<!doctype html><html></html>')],
  ])('is refused as a whole, as what it is: %s', async (kind, bytes) => {
    for (const content of halves(bytes))
      await expect(read(content, 'solopo')).rejects.toMatchObject({
        code: 'dataset-invalid',
        message: expect.stringMatching(new RegExp(`^The file is ${kind}.*, not JSON; \\w`)) as string,
      });
  });
});

describe('texts that nobody can keep', () => {
  const odd = (text: string) => JSON.stringify({ ...example, id: 'odd', documents: [{ text, relevant: true }] });

  it('are refused by their line: NUL, lone surrogates', async () => {
    const lines = [exampleLine(example).trim(), odd('a\0b'), odd('a\ud83d'), JSON.stringify({ ...example, id: '\0' })];
    const reason = 'must be text without NUL characters and lone surrogates';
    expect(reasonsOf(await read(lines.join('\n'), 'solopo'))).toEqual([
      [2, `documents.0.text: ${reason}`],
      [3, `documents.0.text: ${reason}`],
      [4, `id: ${reason}`],
    ]);
  });

  it('are refused by their line: bytes that are not UTF-8, wherever they stand', async () => {
    const lines = [
      exampleLine(example).trim(),
      odd('Caf\u00e9'),
      JSON.stringify({ ...example, id: 'e2' }),
      `${JSON.stringify(record).slice(0, -1)},"note":"\u00e9"}`,
      '\u00ff',
    ].join('\n');
    const refused = 'has bytes that are not UTF-8';
    expect(reasonsOf(await read(latin1(lines), 'solopo'))).toEqual([2, 4, 5].map((line) => [line, refused]));
    const array = `[${JSON.stringify(record)},${JSON.stringify({ ...record, id: 'm2', note: '\u00e9' })}]`;
    expect(reasonsOf(await read(latin1(array), 'musique'))).toEqual([[2, refused]]);
  });

  it('are not U+FFFD, which a file may have beside bytes that are not UTF-8', async () => {
    const kept = odd('\uFFFD \u00e9 \u{1F600}');
    const bytes = Buffer.concat([bytesOf(`${kept}\n`), Buffer.from([0x22, 0xe9, 0xe2, 0x82, 0x22])]);
    for (const content of halves(bytes)) {
      const [line, ...rest] = await read(content, 'solopo');
      expect(line).toEqual({ line: 1, example: JSON.parse(kept) as unknown });
      expect(reasonsOf(rest)).toEqual([[2, 'has bytes that are not UTF-8']]);
    }
  });
});

describe('a JSON array', () => {
  const records = [
    record,
    { ...record, id: 'm2' },
    { ...record, id: 'm3', answer: '' },
    { ...record, id: 'm\u2028\u{1F600}' },
  ];
  const small = (id: string) => ({ id, question: 'é?', answers: ['ö'], documents: [{ text: '“x”', relevant: true }] });

  it.each([
    ['on one line', JSON.stringify(records)],
    ['over many lines', `\uFEFF\n${JSON.stringify(records, null, 2)}\r\n`],
  ])('%s is read by its elements', async (_, text) => {
    const lines = await read(text, 'musique');
    expect(lines.map(({ line }) => line)).toEqual([1, 2, 3, 4]);
    expect(reasonsOf(lines)).toEqual([[3, 'answer: must not be blank']]);
    const ids = lines.flatMap((line) => ('example' in line ? [line.example.id] : []));
    expect(ids).toEqual(['m1', 'm2', 'm\u2028\u{1F600}']);
  });

  it('is read wherever its bytes part', async () => {
    const two = [small('a'), small('b')];
    for (const content of halves(bytesOf(JSON.stringify(two))))
      expect(await read(content, 'solopo')).toEqual(two.map((one, index) => ({ line: index + 1, example: one })));
  });

  it.each([
    ['breaks off', `[${JSON.stringify(record)}, {"id": `, /behind its element 1: /],
    ['is no JSON', `[${JSON.stringify(record)} {}]`, /behind its element 0: /],
    ['goes on behind its end', `[${JSON.stringify(record)}]\n{}`, /behind its element 0: /],
  ])('that %s is refused as a whole', async (_, text, message) => {
    const reading = read(text, 'musique');
    await expect(reading).rejects.toMatchObject({
      code: 'dataset-invalid',
      message: expect.stringMatching(message) as string,
    });
  });

  it('without elements has none', async () => {
    expect(await read(' [ ] ', 'solopo')).toEqual([]);
  });
});

describe('what is too long to be an example', () => {
  const long = (id: string) => JSON.stringify({ ...example, id, question: 'x'.repeat(1000) });

  it('is refused by its line, and the rest is read', async () => {
    const lines = [long('l1'), exampleLine(example).trim(), long('l2')].join('\n');
    for (const content of [lines, ReadableStream.from(lines.match(/.{1,7}|\n/g)!.map(bytesOf))]) {
      const found = await read(content, 'solopo', 500);
      expect(reasonsOf(found)).toEqual([1, 3].map((line) => [line, 'has more than 500 characters']));
      expect(found[1]).toEqual({ line: 2, example });
    }
  });

  it('is not read to its end in an array', async () => {
    let given = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      yield bytesOf(`[${JSON.stringify(example)}, {"id": "`);
      for (;;) {
        given += 100;
        yield await Promise.resolve(bytesOf('x'.repeat(100)));
      }
    };
    await expect(read(endless(), 'solopo', 500)).rejects.toThrow(
      'Element 2 of the JSON array has more than 500 characters',
    );
    expect(given).toBeLessThan(2000);
  });
});

describe('linesOf', () => {
  const lines = async (...chunks: (Uint8Array | string)[]) => {
    const found: (string | undefined)[] = [];
    for await (const line of linesOf(textOf(ReadableStream.from(chunks)))) found.push(line);
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
