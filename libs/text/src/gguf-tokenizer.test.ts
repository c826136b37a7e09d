import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { ggufTokenizerFiles } from './gguf-tokenizer.ts';
import { llama2cTokenizerFiles } from './llama2c-tokenizer.ts';
import { TextModel } from './text-model.ts';

const data = (path: string): string => fileURLToPath(new URL(`../../../data/${path}`, import.meta.url));

interface TokenizerJson {
  readonly added_tokens: readonly { readonly id: number; readonly content: string; readonly special: boolean }[];
  readonly model: { readonly vocab: Record<string, number>; readonly merges: readonly (string | readonly string[])[] };
}

type Metadata = Map<string, unknown>;

const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;

/** What llama.cpp's converter writes of a tokenizer.json. */
function metadataOf(json: string, changes: Readonly<Record<string, unknown>>): Metadata {
  const { added_tokens: added, model } = JSON.parse(json) as TokenizerJson;
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  const kinds = tokens.map(() => NORMAL);
  for (const { id, content, special } of added) {
    tokens[id] = content;
    kinds[id] = special ? CONTROL : USER_DEFINED;
  }
  const merges = model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));
  const values = {
    model: 'gpt2',
    tokens,
    token_type: kinds,
    merges,
    eos_token_id: tokens.indexOf('<|im_end|>'),
    ...changes,
  };
  return new Map([
    ...Object.entries(values).map(([key, value]) => [`tokenizer.ggml.${key}`, value] as const),
    ['tokenizer.chat_template', "{% for m in messages %}{{ m['content'] }}{% endfor %}"] as const,
  ]);
}

function paragraphs(): string[] {
  const lines = readFileSync(data('2wikimultihopqa/2wiki_dev_last_40.jsonl'), 'utf8').split('\n').filter(Boolean);
  const records = lines.map((line) => JSON.parse(line) as { context: [string, string[]][] });
  return records.flatMap(({ context }) => context.map(([title, sentences]) => `${title}\n${sentences.join(' ')}`));
}

const HARD = [
  '',
  ' ',
  '\n\n\n a',
  "they'LL 'tis DON'T",
  '12345 ½², ३',
  'naïve café — 東京 🙂\u200d',
  '<|im_start|>user\n<|im_end|>x',
  'a\t\tb  \r\n',
];

describe("a GGUF file's byte-pair tokenizer", () => {
  it.each([
    ['smollm', 'smollm2-360m-instruct'],
    ['qwen2', 'qwen2.5-0.5b-instruct'],
  ])('%s gives the ids of the published tokenizer.json', async (pre, folder) => {
    const published = await TextModel.fromFolder(data(`models/${folder}`));
    const json = readFileSync(data(`models/${folder}/tokenizer.json`), 'utf8');
    const made = TextModel.fromFiles(ggufTokenizerFiles(metadataOf(json, { pre })));
    for (const text of [...paragraphs(), ...HARD]) {
      expect([text, [...made.encode(text)]]).toEqual([text, [...published.encode(text)]]);
      expect(made.decode(made.encode(text))).toBe(published.decode(published.encode(text)));
    }
    expect(made.eosIds).toContain(published.idOf('<|im_end|>'));
  });

  const tiny = (changes: Readonly<Record<string, unknown>>): Metadata =>
    new Map(
      Object.entries({
        model: 'gpt2',
        tokens: ['a', 'b', 'ab', '1', '2', '12', '<|end|>', '[PAD7]'],
        token_type: [1, 1, 1, 1, 1, 1, 3, 5],
        merges: ['a b', '1 2'],
        eos_token_id: 6,
        ...changes,
      }).flatMap(([key, value]) => (value === undefined ? [] : [[`tokenizer.ggml.${key}`, value] as const])),
    );
  const template = ['tokenizer.chat_template', "{% for m in messages %}{{ m['content'] }}{% endfor %}"] as const;
  const ids = (changes: Readonly<Record<string, unknown>>, text: string): number[] => [
    ...TextModel.fromFiles(ggufTokenizerFiles(new Map([...tiny(changes), template]))).encode(text),
  ];

  it('is split by the rule that the file names', () => {
    expect(ids({ pre: 'gpt-2' }, 'ab12')).toEqual([2, 5]);
    expect(ids({ pre: 'smollm' }, 'ab12')).toEqual([2, 3, 4]);
    expect(ids({ pre: 'llama-bpe' }, 'ab12<|end|>')).toEqual([2, 5, 6]);
    expect(ids({}, '1212')).toEqual(ids({ pre: 'default' }, '1212'));
  });

  it('takes a word that is a token as it is where the rule says so', () => {
    const merges = ['1 2'];
    expect(ids({ pre: 'qwen2', merges }, 'ab')).toEqual([0, 1]);
    expect(ids({ pre: 'llama-bpe', merges }, 'ab')).toEqual([2]);
  });

  it('leaves out the stand-ins that fill the vocabulary up', () => {
    const { model } = JSON.parse(ggufTokenizerFiles(tiny({}))['tokenizer.json']) as TokenizerJson;
    expect(Object.keys(model.vocab)).not.toContain('[PAD7]');
  });

  it.each<readonly [string, Readonly<Record<string, unknown>>, RegExp]>([
    ['no tokenizer', { model: undefined }, /^tokenizer\.ggml\.model: missing: the GGUF file has no tokenizer/],
    [
      'another model',
      { model: 'bert' },
      /^tokenizer\.ggml\.model: "bert" is not supported; supported are gpt2 and llama/,
    ],
    [
      'an unknown splitting rule',
      { pre: 'kimi-k2' },
      /^tokenizer\.ggml\.pre: the splitting rule "kimi-k2" is not known; known are default, gpt-2, /,
    ],
    ['no tokens', { tokens: undefined }, /tokens: missing/],
    ['tokens that are no texts', { tokens: [1] }, /tokens: not a list of texts/],
    ['a token twice', { tokens: ['a', 'a'] }, /tokens: number 1 is empty or there before/],
    ['no merges', { merges: undefined }, /merges: missing/],
    ['a merge of one', { merges: ['ab'] }, /merges: number 0 is no pair/],
    ['an end that is no token', { eos_token_id: 99 }, /eos_token_id: 99 is the number of no token/],
  ])('%s is refused by name', (_, changes, message) => {
    expect(() => ggufTokenizerFiles(tiny(changes))).toThrow(message);
  });
});

describe("a GGUF file's pieces with scores", () => {
  const tok = readFileSync(data('models/stories260k/tok512.bin'));
  let published: TextModel;
  let metadata: Metadata;
  beforeAll(() => {
    const files = llama2cTokenizerFiles(tok);
    published = TextModel.fromFiles(files);
    const { tokens, scores } = piecesOf(tok, JSON.parse(files['tokenizer.json']) as TokenizerJson);
    metadata = metadataOf(files['tokenizer.json'], {
      model: 'llama',
      scores,
      token_type: tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? CONTROL : id < 259 ? 6 : NORMAL)),
      merges: undefined,
      bos_token_id: 1,
      eos_token_id: 2,
      unknown_token_id: 0,
    });
  });

  it('give the ids of llama2.c', () => {
    const made = TextModel.fromFiles(ggufTokenizerFiles(metadata));
    const texts = ['Once upon a time, there was a little girl named Lily.', '', '  two', 'Zoë 東京\n', 'x</s>y'];
    for (const text of texts) {
      expect([text, [...made.encode(text)]]).toEqual([text, [...published.encode(text)]]);
      expect(made.decode(made.encode(text))).toBe(published.decode(published.encode(text)));
    }
  });

  it('begin without a space where the file says so', () => {
    const made = TextModel.fromFiles(
      ggufTokenizerFiles(new Map([...metadata, ['tokenizer.ggml.add_space_prefix', false]])),
    );
    expect(made.decode(made.encode('x y'))).toBe('x y');
    expect(made.encode('x')).not.toEqual(published.encode('x'));
  });

  it('without scores are refused', () => {
    expect(() => ggufTokenizerFiles(new Map([...metadata, ['tokenizer.ggml.scores', undefined]]))).toThrow(
      /tokenizer\.ggml\.scores: missing/,
    );
  });
});

function piecesOf(file: Buffer, { model }: TokenizerJson): { tokens: string[]; scores: number[] } {
  const scores: number[] = [];
  for (let at = 4; at < file.length; at += 8 + file.readInt32LE(at + 4)) scores.push(file.readFloatLE(at));
  return { tokens: Object.keys(model.vocab), scores };
}
