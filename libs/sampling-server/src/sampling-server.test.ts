import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SamplingOptions } from '@solopo/lm';
import { FakeOpenAiServer, type Answer, type Asked, type Behaviour } from '@solopo/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AnswerText } from './read-answer.ts';
import { samplerFingerprint, SamplingServer, type SampleLimits } from './sampling-server.ts';
import { samplerSettingsSchema, settingsOf, type SamplerSettings } from './settings.ts';

/** A tokenizer of one token a letter: `a` is 1. 0 ends an answer. */
const letters: AnswerText = {
  encode: (text) => Int32Array.from(text, (letter) => letter.charCodeAt(0) - 96),
  decode: (ids) => Array.from(ids, (id) => (id === 0 ? '' : String.fromCharCode(96 + id))).join(''),
};
const options: SamplingOptions = {
  samplesPerPrompt: 2,
  temperature: 0.85,
  topP: 0.9,
  maxNewTokens: 4,
  eosIds: [0],
  seed: 7,
};
const prompt = (index: number) => ({ tokens: Int32Array.of(index + 1, 2, 3), key: [index, 5] as const });
const prompts = Array.from({ length: 6 }, (_, index) => prompt(index));

let fake: FakeOpenAiServer;
let server: SamplingServer;
let folder: string;
const opened: (() => void | Promise<void>)[] = [];

async function startFake(behaviour: Behaviour): Promise<FakeOpenAiServer> {
  const started = await FakeOpenAiServer.start(behaviour);
  opened.push(() => started.close());
  return started;
}

async function start(behaviour: Behaviour, settings: Partial<SamplerSettings> = {}): Promise<void> {
  fake = await startFake(behaviour);
  server = new SamplingServer(samplerSettingsSchema.parse({ url: fake.url, patienceSeconds: 5, ...settings }));
  opened.push(() => server.close());
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'solopo-sampling-server-'));
});

afterEach(async () => {
  for (const close of opened.splice(0)) await close();
  await rm(folder, { recursive: true });
});

const models: Answer = { body: { data: [{ id: 'base', root: '/models/base', parent: null, max_model_len: 64 }] } };

/** As vLLM: every answer is the letters of its prompt, then its end. */
const vllm =
  (
    changes: Readonly<Record<string, (asked: Asked) => Answer | undefined | Promise<Answer | undefined>>> = {},
  ): Behaviour =>
  (asked) => {
    const change = changes[asked.path];
    if (change) return change(asked);
    if (asked.path === '/v1/models') return models;
    if (asked.path === '/version') return { body: { version: '0.32.0' } };
    return asked.path === '/v1/completions' ? { body: completion(asked) } : undefined;
  };

function completion({ body }: Asked, choice: object = {}): { choices: object[]; usage: object } {
  const ids = [...(body['prompt'] as number[]), 0];
  const choices = Array.from({ length: Number(body['n'] ?? 1) }, () => ({
    text: letters.decode(ids, { skipSpecial: true }),
    finish_reason: 'stop',
    token_ids: ids,
    prompt_token_ids: body['prompt'],
    logprobs: { tokens: ids.map((id) => `token_id:${id}`), token_logprobs: ids.map(() => -0.5) },
    ...choice,
  }));
  return { choices, usage: { prompt_tokens: (body['prompt'] as number[]).length } };
}

async function sample(given = prompts, changes: Partial<SamplingOptions> = {}, limits: SampleLimits = {}) {
  const info = await server.describe(undefined);
  return server.sample(info, info.model.id, letters, given, { ...options, ...changes }, limits);
}

describe('answers', () => {
  it("are asked for by token ids, with nothing of the server's own defaults, and come as ids with their log-probability", async () => {
    await start(vllm());
    const { samples, retokenised, withoutLogps } = await sample();
    expect([retokenised, withoutLogps]).toEqual([0, 0]);
    expect(samples).toHaveLength(6);
    for (const [index, pair] of samples.entries())
      expect(pair).toEqual([0, 1].map(() => ({ tokens: prompt(index).tokens, finish: 'stop', logp: -2 })));
    const [first] = fake.to('/v1/completions');
    expect(first?.body).toMatchObject({
      model: 'base',
      prompt: [1, 2, 3],
      ...{ n: 2, temperature: 0.85, top_p: 0.9, max_tokens: 4, stop_token_ids: [0] },
      ...{ top_k: -1, min_p: 0, repetition_penalty: 1, repeat_penalty: 1, presence_penalty: 0, frequency_penalty: 0 },
      return_token_ids: true,
    });
  });

  it('have a seed of the run, the prompt and the answer, which another try has again', async () => {
    await start(vllm());
    await sample();
    await sample();
    await sample(prompts, { seed: 8 });
    const seeds = fake.to('/v1/completions').map(({ body }) => body['seed']);
    expect(new Set(seeds.slice(0, 6)).size).toBe(6);
    expect([...seeds.slice(6, 12)].sort()).toEqual([...seeds.slice(0, 6)].sort());
    expect(seeds.slice(12).some((seed) => seeds.slice(0, 6).includes(seed))).toBe(false);
    for (const seed of seeds) expect(seed).toBeLessThan(2 ** 31);
  });

  it('that are greedy are asked for once, since vLLM refuses several', async () => {
    await start(vllm());
    const { samples } = await sample([prompt(0)], { temperature: 0 });
    expect(samples[0]).toEqual([0, 1].map(() => ({ tokens: Int32Array.of(1, 2, 3), finish: 'stop', logp: 0 })));
    expect(fake.to('/v1/completions').map(({ body }) => body['n'])).toEqual([1]);
  });

  it('are asked for one by one of a server that gives one whatever n is', async () => {
    await start(
      vllm({ '/v1/completions': (asked) => ({ body: completion({ ...asked, body: { ...asked.body, n: 1 } }) }) }),
    );
    const { samples } = await sample([prompt(0), prompt(1)], {}, {});
    expect(samples.map((each) => each.length)).toEqual([2, 2]);
    const seeds = fake.to('/v1/completions').map(({ body }) => body['seed']);
    expect(new Set(seeds).size).toBe(seeds.length);
  });

  it('of llama.cpp have their ids with their log-probabilities', async () => {
    const content = [1, 2].map((id) => ({ id, token: '', logprob: -1, top_logprobs: [] }));
    const choice = { token_ids: undefined, prompt_token_ids: undefined, text: 'ab', logprobs: { content } };
    await start(vllm({ '/v1/completions': (asked) => ({ body: completion(asked, choice) }) }));
    const { samples, retokenised } = await sample([prompt(0)]);
    expect(samples[0]?.[0]).toEqual({ tokens: Int32Array.of(1, 2), finish: 'stop', logp: -2 });
    expect(retokenised).toBe(0);
  });

  it('of a server that has text alone are tokenised again, and counted', async () => {
    const choice = { token_ids: undefined, prompt_token_ids: undefined, logprobs: null };
    await start(vllm({ '/v1/completions': (asked) => ({ body: completion(asked, choice) }) }));
    const { samples, retokenised, withoutLogps } = await sample();
    expect(samples[0]?.[0]).toEqual({ tokens: Int32Array.of(1, 2, 3), finish: 'stop', logp: 0 });
    expect([retokenised, withoutLogps]).toEqual([12, 12]);
  });

  it('go on with so many prompts at a time as are allowed, and are told in the order of the prompts', async () => {
    const slowFirst: Behaviour = vllm({
      '/v1/completions': (asked) => ({
        body: completion(asked),
        afterMs: (asked.body['prompt'] as number[])[0] === 1 ? 200 : 20,
      }),
    });
    await start(slowFirst, { concurrency: 3 });
    const told: number[] = [];
    await sample(prompts, {}, { onAnswered: (count: number) => told.push(count) });
    expect(fake.mostAtOnce).toBe(3);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told[0]).toBe(0);
    expect(told.at(-1)).toBe(6);
  });

  it('of the first prompts alone come back when the time is over', async () => {
    await start(vllm({ '/v1/completions': (asked) => ({ body: completion(asked), afterMs: 30 }) }), { concurrency: 2 });
    const { samples } = await sample(prompts, {}, { sliceMs: 1 });
    expect(samples.length).toBeGreaterThanOrEqual(1);
    expect(samples.length).toBeLessThan(6);
  });

  it('stop when the job does', async () => {
    await start(vllm({ '/v1/completions': (asked) => ({ body: completion(asked), afterMs: 60_000 }) }));
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('the run was cancelled')), 50);
    await expect(sample(prompts, {}, { signal: abort.signal })).rejects.toThrow('the run was cancelled');
  });
});

describe('a server that has trouble', () => {
  const failing = (times: number, failure: Answer): Behaviour => {
    let failures = 0;
    return vllm({
      '/v1/completions': (asked) => (failures++ < times ? failure : { body: completion(asked) }),
    });
  };

  it.each([
    ['is overloaded', { status: 429, body: { error: { message: 'too many' } } }],
    ['restarts', { status: 503, body: 'loading' }],
    ['lost its engine', { status: 500, body: { error: { message: 'EngineCore died' } } }],
  ])('since it %s is asked again', async (_, failure) => {
    await start(failing(2, failure));
    expect((await sample()).samples).toHaveLength(6);
  });

  it('is given the time that it asks for', async () => {
    await start(failing(1, { status: 429, headers: { 'retry-after': '1' }, body: '' }), { concurrency: 1 });
    const began = performance.now();
    await sample([prompt(0)]);
    expect(performance.now() - began).toBeGreaterThan(990);
  });

  it('leaves what it did answer, and the next job meets the rest', async () => {
    await start(
      vllm({
        '/v1/completions': (asked) =>
          (asked.body['prompt'] as number[])[0] === 3 ? { status: 500, body: 'died' } : { body: completion(asked) },
      }),
      { patienceSeconds: 0, concurrency: 1 },
    );
    expect((await sample()).samples).toHaveLength(2);
    await expect(sample(prompts.slice(2))).rejects.toMatchObject({
      code: 'sampler-failed',
      message: expect.stringMatching(/answers 500: died; look at the server's log/) as string,
    });
  });

  it('that is down is named with what to do', async () => {
    await start(vllm(), { patienceSeconds: 0 });
    await opened.shift()?.();
    await expect(sample()).rejects.toMatchObject({
      code: 'sampler-failed',
      message: expect.stringMatching(/cannot be reached \(ECONNREFUSED\); start it/) as string,
    });
  });

  it('that is too slow is given up in time', async () => {
    await start(vllm({ '/v1/completions': (asked) => ({ body: completion(asked), afterMs: 5000 }) }), {
      answerSeconds: 0.1,
      patienceSeconds: 0,
    });
    await expect(sample()).rejects.toMatchObject({
      code: 'sampler-failed',
      message: expect.stringContaining('gave no answer in 0.1 s') as string,
    });
  });

  it('is not followed to another address', async () => {
    const elsewhere = await startFake(vllm());
    await start(() => ({ status: 307, headers: { location: `${elsewhere.url}/v1/models` }, body: '' }), {
      patienceSeconds: 0,
    });
    await expect(sample()).rejects.toMatchObject({ code: 'sampler-refused' });
    expect(elsewhere.asked).toEqual([]);
  });
});

describe("a server that is not the run's", () => {
  const answering = (choice: (asked: Asked) => object): Behaviour =>
    vllm({ '/v1/completions': (asked) => ({ body: completion(asked, choice(asked)) }) });

  it.each([
    ['says other text than its tokens are', () => ({ text: 'xyz' }), /says "xyz" where its tokens are "abc"/],
    [
      'cuts answers for want of room',
      () => ({ finish_reason: 'length', token_ids: [1, 2], text: 'ab' }),
      /cut an answer after 2 of 4 tokens .* start it with a longer one/,
    ],
    [
      'runs another prompt',
      () => ({ prompt_token_ids: [9, 1, 2, 3] }),
      /ran another prompt of 4 tokens where one of 3 was sent/,
    ],
  ])('since it %s is refused by name', async (_, choice, message) => {
    await start(answering(choice));
    await expect(sample()).rejects.toMatchObject({
      code: 'sampler-mismatch',
      message: expect.stringMatching(message) as string,
    });
  });

  it('is not one that puts spaces around tokens', async () => {
    await start(answering(() => ({ text: ' a b\nc ' })));
    expect((await sample([prompt(0)])).samples).toHaveLength(1);
  });

  it.each([
    [
      { status: 400, body: { error: { message: 'context length' } } },
      'sampler-refused',
      /refuses \(400: context length\)/,
    ],
    [{ status: 404, body: { message: 'The model `base` does not exist.' } }, 'sampler-refused', /does not exist/],
    [{ status: 401, body: {} }, 'sampler-refused', /does not accept the key \(401\); give the server a keyFile/],
    [{ body: '<html>' }, 'sampler-mismatch', /not what an OpenAI-compatible server answers/],
    [{ body: { choices: [] } }, 'sampler-mismatch', /not what an OpenAI-compatible server answers/],
  ])('%j is an error that no further try mends', async (answer, code, message) => {
    await start(vllm({ '/v1/completions': () => answer }), { concurrency: 1 });
    await expect(sample()).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(fake.to('/v1/completions')).toHaveLength(1);
  });

  it('has too short a context: nothing is asked', async () => {
    await start(vllm());
    await expect(sample(prompts, { maxNewTokens: 62 })).rejects.toMatchObject({
      code: 'sampler-mismatch',
      message: expect.stringMatching(/context of 64 tokens, and a prompt of 3 with 62 new ones is longer/) as string,
    });
    expect(fake.to('/v1/completions')).toEqual([]);
  });

  it('has a smaller vocabulary', async () => {
    await start(vllm({ '/v1/models': () => ({ body: { data: [{ id: 'base', meta: { n_vocab: 6 } }] } }) }));
    await expect(sample()).rejects.toMatchObject({
      code: 'sampler-mismatch',
      message: expect.stringContaining('a vocabulary of 6 tokens, and a prompt has the id 6') as string,
    });
  });

  it('has no such model, or several', async () => {
    await start(vllm({ '/v1/models': () => ({ body: { data: [{ id: 'a' }, { id: 'b' }] } }) }));
    await expect(server.describe('c')).rejects.toMatchObject({
      code: 'sampler-mismatch',
      message: expect.stringContaining('serves a, b, not c') as string,
    });
    await expect(server.describe(undefined)).rejects.toThrow(/serves several models \(a, b\); name the run's/);
    expect((await server.describe('b')).model.id).toBe('b');
  });
});

describe('a key', () => {
  it('comes from its file, is read again when it is refused, and is in no message', async () => {
    const keyFile = join(folder, 'key');
    await writeFile(keyFile, 'old-key\n');
    await start(
      (asked) =>
        asked.headers.authorization === 'Bearer new-key' ? vllm()(asked) : { status: 401, body: 'old-key is wrong' },
      { keyFile },
    );
    const error = await server.describe(undefined).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(String(error)).toContain(`put the right key in ${keyFile}`);
    expect(String(error)).not.toContain('old-key');
    await writeFile(keyFile, 'new-key\n');
    expect((await server.describe(undefined)).model.id).toBe('base');
  });
});

describe('an adapter', () => {
  const adapter = async () => {
    const weights = join(folder, 'weights.safetensors');
    const header = Buffer.from(
      JSON.stringify({
        'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight': {
          dtype: 'F32',
          shape: [1, 1],
          data_offsets: [0, 4],
        },
        'base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight': {
          dtype: 'F32',
          shape: [1, 1],
          data_offsets: [4, 8],
        },
      }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await writeFile(weights, Buffer.concat([length, header, Buffer.alloc(8)]));
    return { model: 'm'.repeat(64), policy: 'p'.repeat(64), weights, options: { rank: 1, alpha: 2, rsLora: false } };
  };
  const adapters = () => ({ adapters: { folder: join(folder, 'adapters'), there: '/shared/' } });

  it('is put where the server reads, as PEFT has it, and loaded under a name of its digest', async () => {
    await start(vllm({ '/v1/load_lora_adapter': () => ({ body: 'Success' }) }), adapters());
    const given = await adapter();
    const name = await server.serve(given, await server.describe(undefined));
    expect(name).toMatch(/^solopo-[0-9a-f]{32}$/);
    expect(fake.to('/v1/load_lora_adapter').map(({ body }) => body)).toEqual([
      { lora_name: name, lora_path: `/shared/${name}` },
    ]);
    const config = JSON.parse(await readFile(join(folder, 'adapters', name, 'adapter_config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ peft_type: 'LORA', r: 1, lora_alpha: 2, target_modules: ['q_proj'] });
    expect(await readFile(join(folder, 'adapters', name, 'adapter_model.safetensors'))).toEqual(
      await readFile(given.weights),
    );
    const other = await server.serve(
      { ...given, options: { ...given.options, alpha: 4 } },
      await server.describe(undefined),
    );
    expect(other).not.toBe(name);
  });

  it('that the server has, or that another worker loads at the same time, is taken as it is', async () => {
    const given = await adapter();
    await start(
      vllm({
        '/v1/load_lora_adapter': () => ({
          status: 400,
          body: { error: { message: "The lora adapter 'x' has already been loaded." } },
        }),
      }),
      adapters(),
    );
    const info = await server.describe(undefined);
    const name = await server.serve(given, info);
    const listed = { ...info, models: [...info.models, { id: name, root: '/x', parent: 'base' }] };
    await server.serve(given, listed);
    expect(fake.to('/v1/load_lora_adapter')).toHaveLength(1);
    const elsewhere = { ...info, models: [{ id: name, root: '/x', parent: 'another' }] };
    await expect(server.serve(given, elsewhere)).rejects.toMatchObject({ code: 'sampler-mismatch' });
  });

  it.each([
    [
      { status: 404, body: { detail: 'Not Found' } },
      /has no \/v1\/load_lora_adapter \(404\); start vLLM with --enable-lora/,
    ],
    [{ status: 404, body: { error: { message: 'No adapter found for /shared/x' } } }, /let the server read \/shared/],
    [
      { status: 500, body: { error: { message: 'LoRA rank 32 is greater than max_lora_rank 16.' } } },
      /start vLLM with a --max-lora-rank/,
    ],
    [{ status: 500, body: { error: { message: 'out of memory' } } }, /500: .*out of memory.*look at the server's log/],
  ])('that the server does not load (%j) is refused with what to do', async (answer, message) => {
    await start(vllm({ '/v1/load_lora_adapter': () => answer }), adapters());
    await expect(server.serve(await adapter(), await server.describe(undefined))).rejects.toMatchObject({
      code: 'sampler-refused',
      message: expect.stringMatching(message) as string,
    });
  });

  it('needs a folder that the server reads', async () => {
    await start(vllm());
    await expect(server.serve(await adapter(), await server.describe(undefined))).rejects.toThrow(
      /set adapters.folder in SOLOPO_SAMPLERS/,
    );
  });
});

describe('log-probabilities of tokens', () => {
  it('are those of all but the first, or none where the server scores no prompts', async () => {
    const scores = [null, { 2: { logprob: -1.5 }, 9: { logprob: -0.1 } }, { 3: { logprob: -2 } }];
    await start(
      vllm({
        '/v1/completions': (asked) => ({
          body: completion(asked, asked.body['model'] === 'base' ? { prompt_logprobs: scores } : {}),
        }),
      }),
    );
    expect(await server.logps('base', Int32Array.of(1, 2, 3))).toEqual(Float64Array.of(-1.5, -2));
    expect(await server.logps('other', Int32Array.of(1, 2, 3))).toBeUndefined();
    await expect(server.logps('base', Int32Array.of(1, 5, 3))).rejects.toMatchObject({ code: 'sampler-mismatch' });
  });
});

describe('what answered', () => {
  it('is named with version, model and adapter', async () => {
    await start(vllm());
    const info = await server.describe(undefined);
    const facts = { adapter: null, isChecked: true, isRetokenised: false, hasLogps: true };
    expect(samplerFingerprint(info, facts)).toBe(
      "server vllm 0.32.0; model base (/models/base); log-probabilities held to the engine's",
    );
    expect(
      samplerFingerprint(info, {
        adapter: { name: 'solopo-1', policy: 'abc' },
        ...{ isChecked: false, isRetokenised: true, hasLogps: false },
      }),
    ).toBe(
      'server vllm 0.32.0; model base (/models/base); adapter solopo-1 of abc; not checked; answers tokenised again; no log-probabilities',
    );
  });

  it('is told by llama.cpp and SGLang in ways of their own, and by others not at all', async () => {
    const answers: Record<string, Answer> = {
      '/v1/models': { body: { data: [{ id: 'm', owned_by: 'someone' }] } },
      '/props': { body: { build_info: 'b7000-abc', default_generation_settings: { n_ctx: 4096 } } },
    };
    await start(({ path }) => answers[path]);
    expect(await server.describe(undefined)).toMatchObject({ software: 'llama.cpp b7000-abc', contextLength: 4096 });
    delete answers['/props'];
    answers['/get_server_info'] = { body: { version: '0.5.1' } };
    expect((await server.describe(undefined)).software).toBe('sglang 0.5.1');
    delete answers['/get_server_info'];
    expect((await server.describe(undefined)).software).toBe('someone of unknown version');
  });
});

describe('the servers that may be asked', () => {
  it('are those that are named, whatever stands behind their address', () => {
    const servers = [samplerSettingsSchema.parse({ url: 'http://vllm:8000/v1/' })];
    expect(settingsOf(servers, 'http://vllm:8000').concurrency).toBe(16);
    expect(() => settingsOf(servers, 'http://169.254.169.254')).toThrow(
      /sampler.url is http:\/\/169.254.169.254, which is not one of .* \(SOLOPO_SAMPLERS: http:\/\/vllm:8000\)/,
    );
    for (const url of ['ftp://vllm', 'http://user:key@vllm', 'http://vllm/?key=1', 'vllm:8000'])
      expect(samplerSettingsSchema.safeParse({ url }).success, url).toBe(false);
  });
});
