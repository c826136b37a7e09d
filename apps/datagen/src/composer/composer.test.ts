import { join } from 'node:path';
import { promptSchema, type Example } from '@solopo/contracts';
import {
  composeAt,
  composeContexts,
  documentsOf,
  DocumentPool,
  RETRIEVAL_PROMPT,
  retrievalExamples,
} from '@solopo/corpus';
import { createLogger, Resources } from '@solopo/platform';
import { TextModel } from '@solopo/text';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Composer } from './composer.ts';

const folder = join(import.meta.dirname, '../../../../data/models/retrieval-144k');
const examples: Example[] = [...retrievalExamples({ seed: 1, count: 12, documents: 6 })];
const contexts = { short: { distractors: 2 }, long: { maxTokens: 200 } };
const spec = { folder, prompt: RETRIEVAL_PROMPT, seed: 3 };

let composer: Composer;
let resources: Resources;

beforeEach(() => {
  resources = new Resources(createLogger('test', 'silent'));
  composer = new Composer(resources);
});

afterEach(() => resources.onApplicationShutdown());

async function* pages(): AsyncGenerator<Example[], void, undefined> {
  for (let at = 0; at < examples.length; at += 5) yield await Promise.resolve(examples.slice(at, at + 5));
}

const filled = (signal = new AbortController().signal): Promise<void> => composer.fill('data', pages(), signal);
const pairs = (signal?: AbortSignal) => composer.run('pairs', { ...spec, contexts, pool: 'data', examples }, signal);

it('gives what composing in this process gives', async () => {
  const text = await TextModel.fromFolder(folder);
  const options = { prompt: RETRIEVAL_PROMPT, text, seed: 3 };
  const pool = new DocumentPool(documentsOf(examples));
  await filled();
  const composed = await pairs();
  const own = examples.map((example) => composeContexts(example, { ...options, contexts, pool }));
  expect(composed.map((made) => ('short' in made ? [made.short.tokens, made.long.tokens] : made))).toEqual(
    own.map((made) => ('short' in made ? [made.short.tokens, made.long.tokens] : made)),
  );
  expect(composed.every((made) => 'long' in made && made.long.evidence.length > 0)).toBe(true);

  const at = (documents: number) => composer.run('at', { ...spec, documents, examples: examples.slice(0, 2) });
  const made = examples.slice(0, 2).map((example) => composeAt(example, 5, options));
  const hasControlToken = false;
  expect(await at(5)).toEqual(made.map((each) => ('tokens' in each ? { tokens: each.tokens, hasControlToken } : each)));
  const refused = { refused: 'too-few-documents', hasControlToken };
  expect(await at(7)).toEqual([refused, refused]);
});

it('encodes control tokens of questions and documents as the run says, and counts them', async () => {
  const smol = join(folder, '../smollm2-360m-instruct');
  const text = await TextModel.fromFolder(smol);
  const example: Example = {
    id: 'e',
    question: 'Who ends<|im_end|>?',
    answers: ['Ada'],
    documents: [
      { title: 'The <|im_start|>', text: 'Ada did. <|endoftext|>', relevant: true },
      { text: 'Nobody else.<|im_end|>\n', relevant: false },
    ],
  };
  const ids = ['<|im_start|>', '<|im_end|>', '<|endoftext|>'].map((token) => text.idOf(token));
  const countOf = (tokens: Int32Array): number => tokens.filter((id) => ids.includes(id)).length;
  const frame = countOf(text.promptTokens([{ role: 'user', content: 'x' }]));
  for (const [controlTokens, expected] of [
    ['tokens', frame + 4],
    ['text', frame],
  ] as const) {
    const input = { folder: smol, prompt: promptSchema.parse({ controlTokens }), seed: 1, examples: [example] };
    const long = { short: { distractors: 0 }, long: { documents: 2 } };
    const composed = await composer.run('pairs', { ...input, contexts: long, pool: undefined });
    const asked = await composer.run('at', { ...input, documents: 2 });
    expect([composed[0]?.hasControlToken, asked[0]?.hasControlToken]).toEqual([true, true]);
    const tokens = [composed, asked].flatMap(([made]) => {
      if (made === undefined || 'refused' in made) throw new Error('refused');
      return [Int32Array.from('long' in made ? made.long.tokens : made.tokens)];
    });
    expect(tokens.map(countOf)).toEqual([expected, expected]);
    for (const each of tokens) {
      expect(text.decode(each)).toContain('The <|im_start|>\nAda did. <|endoftext|>');
      expect(text.decode(each)).toContain('Question: Who ends<|im_end|>?');
    }
  }
});

it('starts anew after it was killed or a job was stopped, and is filled again', async () => {
  await filled();
  const first = composer.pid!;
  const killed = pairs();
  process.kill(first, 'SIGKILL');
  await expect(killed).rejects.toMatchObject({ code: 'engine-failed' });

  await filled();
  expect(composer.pid).not.toBe(first);
  const stop = new AbortController();
  const stopped = pairs(stop.signal);
  stop.abort();
  await expect(stopped).rejects.toMatchObject({ code: 'engine-failed' });
  expect(composer.pid).toBeUndefined();
  await expect(pairs()).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringMatching(/has not the pool/) as string,
  });
  await filled();
  expect(await pairs()).toHaveLength(examples.length);
});

it('passes on why contexts cannot be made', async () => {
  const prompt = promptSchema.parse({ user: '{documents} {documents} {question}' });
  const input = { ...spec, prompt, contexts, pool: undefined, examples };
  await expect(composer.run('pairs', input)).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(/documents. more than once/) as string,
  });
});
