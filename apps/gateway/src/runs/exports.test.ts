import type { PairDetails, PolicyManifest, RunView } from '@solopo/contracts';
import { sha256 } from '@solopo/contracts';
import { retrievalTokenizer } from '@solopo/corpus';
import { formatModelConfig } from '@solopo/lm';
import { TextModel, type Message } from '@solopo/text';
import request from 'supertest';
import { beforeAll, describe, expect, it } from 'vitest';
import { finishRun } from '../testing/finish-run.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs, registerModel } from '../testing/register.fixture.ts';
import { TINY, tinyModel, tinyModelWithAdapter } from '../testing/tiny-model.fixture.ts';

const gateway = useGateway();
const text = TextModel.fromFiles(retrievalTokenizer());

const CONFIG = {
  name: 'a | run',
  model: 'tiny',
  dataset: 'questions',
  contexts: { long: { documents: 4 } },
  prompt: { system: 'Answer in one word.' },
  pairing: { heldOutPairs: 2 },
  training: { pairsPerStep: 2, stepsPerSlice: 2 },
  evaluation: { dataset: 'questions', documents: [2, 4] },
};

let run: RunView;

async function createRun(changes: object = {}): Promise<RunView> {
  const config = { ...CONFIG, ...changes };
  return (await request(gateway.url).post('/v1/runs').send(config).expect(201)).body as RunView;
}

beforeAll(async () => {
  await registerInputs(gateway.url);
  run = await createRun();
  await finishRun(gateway, run.id);
  run = (await request(gateway.url).get(`/v1/runs/${run.id}`).expect(200)).body as RunView;
});

describe('pairs for other trainers', () => {
  async function lines<T>(query: Record<string, string>): Promise<T[]> {
    const response = await request(gateway.url).get(`/v1/runs/${run.id}/pairs.jsonl`).query(query).expect(200);
    expect(response.type).toBe('application/x-ndjson');
    return response.text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);
  }

  async function records(split: 'training' | 'held-out') {
    const pairing = run.stages.find(({ kind }) => kind === 'pair');
    return gateway.ledger.pairs.list(pairing?.digest ?? '', split, { from: 0, to: 100 });
  }

  it.each([
    ['short', 'training', 10],
    ['long', 'held-out', 2],
  ] as const)('are TRL texts with the very tokens of the %s contexts', async (context, split, count) => {
    const pairs = await lines<Record<'prompt' | 'chosen' | 'rejected', string>>({ format: 'trl', context, split });
    const kept = await records(split);
    expect(pairs).toHaveLength(count);
    expect(pairs.map(({ prompt }) => text.encode(prompt))).toEqual(kept.map((pair) => pair[context]));
    expect(pairs.map(({ chosen }) => text.encode(chosen))).toEqual(kept.map(({ chosen }) => chosen));
    expect(pairs.map(({ rejected }) => text.encode(rejected))).toEqual(kept.map(({ rejected }) => rejected));
  });

  it('are the tokens themselves for TRL, where texts would give others', async () => {
    const pairs = await lines<object>({ format: 'trl-tokens', context: 'long' });
    const kept = await records('training');
    expect(pairs).toEqual(
      kept.map(({ long, chosen, rejected }) => ({
        prompt_ids: [...long],
        chosen_ids: [...chosen],
        rejected_ids: [...rejected],
      })),
    );
  });

  it('are TRL conversations that the chat template renders to the same tokens', async () => {
    const pairs = await lines<Record<'prompt' | 'chosen' | 'rejected', Message[]>>({
      format: 'trl-conversational',
      context: 'long',
    });
    const kept = await records('training');
    expect(pairs[0]?.prompt.map(({ role }) => role)).toEqual(['system', 'user']);
    expect(pairs.map(({ prompt }) => text.promptTokens(prompt))).toEqual(kept.map(({ long }) => long));
    for (const response of ['chosen', 'rejected'] as const) {
      const tokens = pairs.map((pair) => text.responseTokens(pair.prompt, pair[response][0]?.content ?? ''));
      expect(tokens).toEqual(kept.map((pair) => pair[response]));
      expect(pairs.every((pair) => pair[response].length === 1 && pair[response][0]?.role === 'assistant')).toBe(true);
    }
  });

  it("are LLaMA-Factory's ranking records", async () => {
    const [first, ...rest] = await lines<object>({ format: 'llama-factory' });
    const [conversation] = await lines<Record<'prompt' | 'chosen' | 'rejected', Message[]>>({
      format: 'trl-conversational',
    });
    expect(rest).toHaveLength(9);
    expect(first).toEqual({
      system: 'Answer in one word.',
      conversations: [{ from: 'human', value: conversation?.prompt[1]?.content }],
      chosen: { from: 'gpt', value: conversation?.chosen[0]?.content },
      rejected: { from: 'gpt', value: conversation?.rejected[0]?.content },
    });
  });

  it.each([
    [{ format: 'alpaca' }, 'format'],
    [{ split: 'test' }, 'split'],
    [{ context: 'both' }, 'context'],
    [{ page: '2' }, 'page'],
  ])('refuse %j', async (query, path) => {
    const { body } = await request(gateway.url).get(`/v1/runs/${run.id}/pairs.jsonl`).query(query).expect(400);
    expect(body).toMatchObject({ errors: [{ path }] });
  });

  it('are refused before there are any', async () => {
    const early = await createRun({ seed: 5 });
    const { body } = await request(gateway.url).get(`/v1/runs/${early.id}/pairs.jsonl`).expect(409);
    expect(body).toMatchObject({ code: 'conflict', detail: expect.stringContaining('no pairs yet') });
    await request(gateway.url).get('/v1/runs/none/pairs.jsonl').expect(404);
  });
});

describe('the policy', () => {
  async function manifest(id: string, query: Record<string, string> = {}): Promise<PolicyManifest> {
    return (await request(gateway.url).get(`/v1/runs/${id}/policy`).query(query).expect(200)).body as PolicyManifest;
  }

  it('is a Hugging Face folder: the files of its base with its own weights and a model card', async () => {
    const policy = await manifest(run.id);
    expect(policy).toMatchObject({ run: run.id, step: 5, kind: 'model' });
    const names = policy.files.map(({ name }) => name);
    expect(names).toEqual(
      [...Object.keys(retrievalTokenizer()), 'README.md', 'config.json', 'model.safetensors'].sort(),
    );
    for (const { digest, bytes, content } of policy.files) {
      const response = content === null ? await request(gateway.url).get(`/v1/artifacts/${digest}`).expect(200) : null;
      const got = response === null ? Buffer.from(content ?? '') : (response.body as Buffer);
      expect([got.length, sha256(got)]).toEqual([bytes, digest]);
    }
    expect(policy.files.find(({ name }) => name === 'model.safetensors')?.digest).toBe(run.policyDigest);
  });

  it('has a card that says what it is made of', async () => {
    const card = (await manifest(run.id)).files.find(({ name }) => name === 'README.md')?.content ?? '';
    const { model, dataset } = (await gateway.ledger.runs.require(run.id)).resolved;
    for (const fact of [model, dataset, run.policyDigest, run.chainHead, 'kind `dpo`', '`solo`', 'a fake engine'])
      expect(card).toContain(fact);
    expect(card).toContain('# a | run\n');
    expect(card).toContain('| 2 | 8.3 % of 12 | 8.3 % of 12 |');
  });

  it('has the warnings of its base model, in the card too, as its run has', async () => {
    const files = { ...tinyModel(), 'config.json': JSON.stringify(formatModelConfig({ ...TINY, family: 'qwen2' })) };
    await registerModel(gateway.url, 'as qwen2', files);
    const warned = await createRun({ model: 'as qwen2', seed: 21 });
    const warning = expect.stringContaining('makes a Qwen2Tokenizer') as string;
    expect(warned.warnings).toContainEqual({ kind: 'model', count: 1, message: warning });
    await finishRun(gateway, warned.id);
    const { warnings, files: exported } = await manifest(warned.id);
    expect(warnings).toEqual([warning]);
    expect(exported.find(({ name }) => name === 'README.md')?.content).toMatch(
      /## Before you use it\n\n- AutoTokenizer/,
    );
    expect((await manifest(run.id)).warnings).toEqual([]);
  });

  it('is there for every version', async () => {
    const [version] = await gateway.ledger.versions.list(run.id);
    const policy = await manifest(run.id, { step: '2' });
    expect(policy.step).toBe(2);
    expect(policy.files.find(({ name }) => name === 'model.safetensors')?.digest).toBe(version?.digest);
    const { body } = await request(gateway.url).get(`/v1/runs/${run.id}/policy?step=3`).expect(404);
    expect(body).toMatchObject({ detail: expect.stringContaining('2, 4, 5') });
    const early = await createRun({ seed: 6 });
    await request(gateway.url).get(`/v1/runs/${early.id}/policy`).expect(404);
  });

  it('of an adapter is a PEFT folder', async () => {
    const adapted = await createRun({
      adapter: { kind: 'lora', rank: 4, alpha: 8, targets: ['q_proj'], rsLora: true },
      frozenWeights: 'int8',
    });
    await finishRun(gateway, adapted.id);
    const { kind, files } = await manifest(adapted.id);
    expect(kind).toBe('adapter');
    const names = files.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'tokenizer.json']),
    );
    expect(names).not.toContain('config.json');
    expect(names).not.toContain('model.safetensors');
    const config = files.find(({ name }) => name === 'adapter_config.json')?.content ?? '';
    expect(JSON.parse(config)).toMatchObject({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      base_model_name_or_path: 'tiny',
      r: 4,
      lora_alpha: 8,
      target_modules: ['q_proj'],
      use_rslora: true,
      bias: 'none',
    });
    const card = files.find(({ name }) => name === 'README.md')?.content;
    expect(card).toContain('library_name: peft');
    expect(card).toContain('| Frozen weights | kept as int8 while the adapter was trained;');
  });

  it('names the layers that the adapter has, where an architecture has one for several that were asked for', async () => {
    const { id } = await createRun({ adapter: { kind: 'lora', targets: ['q_proj', 'down_proj'] }, seed: 31 });
    await finishRun(gateway, id, { modules: ['self_attn.qkv_proj', 'mlp.down_proj'] });
    const { files } = await manifest(id);
    const config = files.find(({ name }) => name === 'adapter_config.json')?.content ?? '';
    expect(JSON.parse(config)).toMatchObject({ target_modules: ['qkv_proj', 'down_proj'] });
  });

  it.each([
    ['in full held the adapter_config.json that its base was registered with', {}, []],
    [
      'with an adapter had two files called adapter_config.json',
      { adapter: { kind: 'lora', rank: 4, alpha: 8, targets: ['k_proj'], rsLora: false } },
      ['adapter_config.json', 'adapter_model.safetensors'],
    ],
  ])('of a base with an adapter %s', async (_, changes, expected) => {
    await registerModel(gateway.url, 'adapted', tinyModelWithAdapter());
    const { id } = await createRun({ model: 'adapted', seed: 21, ...changes });
    await finishRun(gateway, id);
    const { files } = await manifest(id);
    expect(files.map(({ name }) => name).filter((name) => name.startsWith('adapter_'))).toEqual(expected);
    const config = files.find(({ name }) => name === 'adapter_config.json')?.content;
    if (config) expect(JSON.parse(config)).toMatchObject({ r: 4, target_modules: ['k_proj'] });
    const card = files.find(({ name }) => name === 'README.md')?.content;
    expect(card).toMatch(/\| Its adapter \| merged into its weights first, `\w{64}` \|/);
  });
});

describe("a pair's reference", () => {
  it("is shown as scored over weights of the run's own format", async () => {
    const lower = await createRun({ adapter: { kind: 'lora' }, frozenWeights: 'int8', seed: 11 });
    const exact = await createRun({ seed: 11 });
    for (const { id } of [lower, exact]) await finishRun(gateway, id);
    const stages = await gateway.ledger.runs.stages(lower.id);
    const stage = stages.find(({ kind }) => kind === 'pair')?.digest ?? '';
    const [pair] = await gateway.ledger.pairs.list(stage, 'training', { from: 0, to: 1 });
    if (pair === undefined) throw new Error('the run has no pairs');
    const { model } = (await gateway.ledger.runs.require(lower.id)).resolved;
    const shown = async (id: string) => {
      const { body } = await request(gateway.url).get(`/v1/runs/${id}/pairs/${pair.digest}`).expect(200);
      return (body as PairDetails).responses.chosen.logps.short;
    };
    const before = await shown(exact.id);
    expect(before).not.toBeNull();
    // The scorer that the fixture makes up computes in float32.
    expect(await shown(lower.id)).toBeNull();
    const logps = new Float32Array(pair.chosen.length).fill(-7);
    const engine = 'an engine; cpu float32, frozen weights int8; threads 1';
    await gateway.ledger.scores.insert(stage, model, [
      { position: pair.position, context: 'short', response: 'chosen', engine, logps, sum: -7 * logps.length },
    ]);
    expect(await shown(lower.id)).toEqual([...logps]);
    expect(await shown(exact.id)).toEqual(before);
  });
});
