import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdapterConfig } from '@solopo/contracts';
import { RETRIEVAL_PROMPT, promptMessages, retrievalExamples } from '@solopo/corpus';
import { Engine, type ModelSource } from '@solopo/engine';
import { createLogger, Resources } from '@solopo/platform';
import { samplersSchema } from '@solopo/sampling-server';
import { FakeOpenAiServer, type Asked } from '@solopo/testing';
import { TextModel } from '@solopo/text';
import type { ModelFiles, WorkerConfig } from '@solopo/worker';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { Answers, type Answering } from './answers.ts';
import { SamplingServers } from './sampling-servers.ts';
import { ServerCheck } from './server-check.ts';

const folder = join(import.meta.dirname, '../../../../data/models/retrieval-144k');
const model = 'a'.repeat(64);
const policy = 'b'.repeat(64);
const adapter: AdapterConfig = {
  kind: 'lora',
  rank: 4,
  alpha: 8,
  targets: ['q_proj', 'v_proj', 'down_proj'],
  rsLora: false,
};
const examples = [...retrievalExamples({ seed: 1, count: 6, documents: 3 })];
const logger = createLogger('test', 'silent');

let engine: Engine;
let text: TextModel;
let scratch: string;
let weights: string;
let prompts: { tokens: Int32Array; key: readonly [number, number] }[];
let options: ReturnType<typeof optionsOf>;

const optionsOf = (eosIds: readonly number[]) => ({
  ...{ samplesPerPrompt: 1, temperature: 0, topP: 1, maxNewTokens: 12, eosIds, seed: 3 },
});
const source = (of: string): ModelSource =>
  of === policy ? { folder, adapter: { options: adapter, weights } } : { folder };

beforeAll(async () => {
  engine = new Engine({ threads: 1, device: 'cpu' });
  text = await TextModel.fromFolder(folder);
  options = optionsOf(text.eosIds);
  scratch = await mkdtemp(join(tmpdir(), 'solopo-answers-'));
  weights = join(scratch, 'adapter.safetensors');
  prompts = examples.map(({ question, documents }, index) => ({
    tokens: text.promptTokens(
      promptMessages(question, documents.map((each) => each.text).join('\n'), RETRIEVAL_PROMPT),
    ),
    key: [index, 1] as const,
  }));
  await trainAdapter();
});

afterAll(async () => {
  engine.close();
  await rm(scratch, { recursive: true });
});

/** Far enough from the base to be told from it. */
async function trainAdapter(): Promise<void> {
  const pairs = prompts.slice(0, 2).map(({ tokens }) => ({
    short: tokens,
    chosen: tokens.slice(0, 6),
    rejected: tokens.slice(6, 9),
    reference: {},
  }));
  await engine.run('trainSlice', {
    model: { folder, adapter: { options: adapter, seed: 1 } },
    fromStep: 0,
    options: {
      arm: 'sft',
      objective: { kind: 'sft', context: 'short' },
      alignment: {
        alpha: 0,
        reference: 'shared',
        distance: 'absolute',
        sides: 'two',
        detach: 'short',
        deadZone: 0,
        fraction: 1,
      },
      optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
      schedule: { learningRate: 2e-2, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
      clipNorm: 1,
      microBatchTokens: 1024,
      steps: 4,
    },
    pairs,
    batches: [
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1],
    ],
    out: { weights, optimizerState: join(scratch, 'optimizer.safetensors') },
  });
}

let fake: FakeOpenAiServer;
let answers: Answers;
let resources: Resources;
/** Whose numbers the server has under an adapter's name. */
let behindAdapter: string;
let loaded: string[];

/** A server whose numbers are those of this engine: what it serves under a name is a test's to say. */
async function answer({ path, body }: Asked) {
  if (path === '/version') return { body: { version: '0.32.0' } };
  if (path === '/v1/models')
    return { body: { data: [{ id: 'base' }, ...loaded.map((id) => ({ id, parent: 'base' }))] } };
  if (path === '/v1/load_lora_adapter') {
    loaded.push(body['lora_name'] as string);
    return { body: 'Success' };
  }
  const tokens = Int32Array.from(body['prompt'] as number[]);
  const of = source(body['model'] === 'base' ? model : behindAdapter);
  const { samples } = await engine.run('sample', {
    model: of,
    prompts: [{ tokens, key: [0, 0] }],
    options,
    batchTokens: 4096,
  });
  const [drawn] = samples[0] ?? [];
  const ids = drawn?.finish === 'stop' ? [...drawn.tokens, text.eosIds[0] as number] : [...(drawn?.tokens ?? [])];
  const choice = {
    text: text.decode(ids, { skipSpecial: true }),
    finish_reason: drawn?.finish,
    token_ids: ids,
    ...(body['prompt_logprobs'] === undefined ? {} : { prompt_logprobs: await scores(of, tokens) }),
  };
  return { body: { choices: [choice] } };
}

async function scores(of: ModelSource, tokens: Int32Array) {
  const trees = [{ prompt: tokens.slice(0, 1), branches: [tokens.slice(1)] }];
  const { logps } = await engine.run('score', { model: of, trees, batchTokens: 4096 });
  return [null, ...[...(logps[0]?.[0] ?? [])].map((logprob, i) => ({ [tokens[i + 1] as number]: { logprob } }))];
}

beforeEach(async () => {
  fake = await FakeOpenAiServer.start(answer);
  [behindAdapter, loaded] = [policy, []];
  const samplers = samplersSchema.parse([
    { url: fake.url, adapters: { folder: join(scratch, `adapters-${fake.port}`) } },
  ]);
  const config = { batchTokens: 4096, answerCacheMb: 64, samplers } as unknown as WorkerConfig;
  resources = new Resources(logger);
  // Files of registered models, without a ledger.
  const models = {
    text: () => Promise.resolve(text),
    artifact: () => Promise.resolve(weights),
    source: (_: string, of: { policy?: string } = {}) => Promise.resolve(source(of.policy ?? model)),
  } as unknown as ModelFiles;
  const check = new ServerCheck(models, engine, config, logger);
  answers = new Answers(models, engine, new SamplingServers(config, resources), check, config);
});

afterEach(async () => {
  await resources.onApplicationShutdown();
  await fake.close();
});

const answering = (changes: Partial<Answering> = {}): Answering => ({
  ...{ model, policy: model, adapter: null, weights: undefined, engine: undefined, precision: undefined },
  sampler: { url: fake.url, check: 'logps' },
  ...changes,
});
const ask = (changes?: Partial<Answering>) =>
  answers.sample(
    answering(changes),
    { prompts, options },
    { signal: new AbortController().signal, sliceMs: 60_000, onProgress: () => undefined },
  );

it("a server's answers are recorded as the engine's are, with what answered, once its numbers are the engine's", async () => {
  const own = await ask({ sampler: undefined });
  const served = await ask();
  expect(served.samples).toEqual(own.samples);
  expect(served.engine).toBe("server vllm 0.32.0; model base; log-probabilities held to the engine's");
  const scored = () => fake.to('/v1/completions').filter(({ body }) => 'prompt_logprobs' in body).length;
  expect(scored()).toBe(4);
  await ask();
  expect(scored()).toBe(4);
});

it('a policy is served as an adapter that is loaded once, and answers as the engine does with it', async () => {
  const base = await ask({ sampler: undefined });
  const own = await ask({ policy, adapter, sampler: undefined });
  expect(own.samples).not.toEqual(base.samples);
  const served = await ask({ policy, adapter });
  expect(served.samples).toEqual(own.samples);
  await ask({ policy, adapter });
  expect(loaded).toHaveLength(1);
  expect(served.engine).toBe(
    `server vllm 0.32.0; model base; adapter ${loaded[0]} of ${policy}; log-probabilities held to the engine's`,
  );
});

it('an adapter behind which the server has the base model is refused, again and again', async () => {
  behindAdapter = model;
  for (const _ of [1, 2])
    await expect(ask({ policy, adapter })).rejects.toMatchObject({
      code: 'sampler-mismatch',
      message: expect.stringContaining('as for its base model') as string,
    });
  expect(fake.to('/v1/completions').every(({ body }) => 'prompt_logprobs' in body)).toBe(true);
});

it('another model behind the name of the base is refused, unless nobody asks', async () => {
  const { behaviour } = fake;
  fake.behaviour = (asked) => behaviour({ ...asked, body: { ...asked.body, model: 'another' } });
  await expect(ask()).rejects.toMatchObject({
    code: 'sampler-mismatch',
    message: expect.stringContaining('it has another model') as string,
  });
  const unchecked = await ask({ sampler: { url: fake.url, check: 'none' } });
  expect(unchecked.engine).toBe('server vllm 0.32.0; model base; not checked');
});

it('a server that this worker is not to ask is not asked', async () => {
  await expect(ask({ sampler: { url: 'http://169.254.169.254', check: 'none' } })).rejects.toMatchObject({
    code: 'config-invalid',
  });
});
