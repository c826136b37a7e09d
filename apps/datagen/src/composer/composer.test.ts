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
  expect(await at(5)).toEqual(made.map((each) => ('tokens' in each ? { tokens: each.tokens } : each)));
  expect(await at(7)).toEqual([{ refused: 'too-few-documents' }, { refused: 'too-few-documents' }]);
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
