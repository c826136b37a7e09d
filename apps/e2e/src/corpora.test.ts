import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AlignmentView, EvaluationView, PairDetails, PairView, StepView } from '@solopo/contracts';
import { formatModelConfig, initialise, parseModelConfig, writeSafetensors } from '@solopo/lm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DATA, System } from './system.ts';

/** Real records, the real Qwen2.5 tokenizer and vocabulary, and a model of random weights: right in nothing, but real in every stage. */
let system: System;
const folders: string[] = [];
const linesOf = (file: string): string[] => readFileSync(join(DATA, file), 'utf8').split('\n');

/** A model of random weights with the whole vocabulary of a real tokenizer. */
async function registerRandom(name: string, text: string, family: string, vocabulary: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'solopo-corpora-'));
  folders.push(folder);
  const config = parseModelConfig({
    model_type: family,
    vocab_size: vocabulary,
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    intermediate_size: 32,
    tie_word_embeddings: true,
  });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(formatModelConfig(config)));
  writeSafetensors(
    join(folder, 'model.safetensors'),
    initialise(config, { seed: 1, embeddingStd: 0.02, residualScale: 1 }),
  );
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json', 'chat_template.jinja'])
    if (existsSync(join(DATA, 'models', text, file)))
      copyFileSync(join(DATA, 'models', text, file), join(folder, file));
  await system.registerModel(name, folder);
}

beforeAll(async () => {
  system = await System.start();
  await registerRandom('qwen', 'qwen2.5-0.5b-instruct', 'qwen2', 151_936);
  await registerRandom('smol', 'smollm2-360m-instruct', 'llama', 49_153);
  system.startWorkers('datagen', 'reward', 'trainer');
}, 60_000);
afterAll(async () => {
  await system.close();
  for (const folder of folders) rmSync(folder, { recursive: true });
});

test.each([
  ['hotpotqa', 'hotpotqa/hotpot_train_100.jsonl', 'smol', { kind: 'simpo' }, { kind: 'lora', rank: 4, alpha: 8 }],
  ['2wiki', '2wikimultihopqa/2wiki_dev_first_100.jsonl', 'smol', { kind: 'orpo' }, null],
  ['2wiki', '2wikimultihopqa/2wiki_dev_first_100.jsonl', 'qwen', { kind: 'dpo' }, { kind: 'lora', rank: 4, alpha: 8 }],
] as const)(
  '%s records of %s go through every stage with %s, %j, adapter %j',
  async (format, file, model, objective, adapter) => {
    const name = `${format}-${model}`;
    await system.importDataset(name, linesOf(file).slice(0, 16).join('\n'), format);
    const { id } = await system.createRun({
      name,
      model,
      dataset: name,
      arm: 'solo',
      objective,
      adapter,
      contexts: { long: { maxTokens: 1500 } },
      sampling: { samplesPerContext: 2, temperature: 1, maxNewTokens: 4 },
      pairing: { mode: 'gold-chosen', heldOutPairs: 4 },
      training: { pairsPerStep: 4, learningRate: 1e-3, maxSteps: 2, stepsPerSlice: 1 },
      evaluation: { dataset: name, documents: [4], questions: 4, maxNewTokens: 4 },
    });
    const run = await system.finished(id, 90_000);
    expect([run.state, run.error]).toEqual(['succeeded', null]);
    expect(run.pairs).toBeGreaterThanOrEqual(8);
    const { body } = await system.api.get(`/v1/runs/${id}/pairs`).expect(200);
    for (const pair of body as PairView[]) expect(pair.longTokens).toBeLessThanOrEqual(1500);
    const { body: steps } = await system.api.get(`/v1/runs/${id}/steps`).expect(200);
    for (const { metrics } of steps as StepView[]) expect(Number.isFinite(metrics['loss'])).toBe(true);
    const { body: verdict } = await system.api.get(`/v1/runs/${id}/verify`).expect(200);
    expect(verdict).toMatchObject({ ok: true });
  },
  120_000,
);

test('MuSiQue goes through every stage: gold answers against sampled wrong ones, long contexts within their budget', async () => {
  const lines = linesOf('musique/musique_ans_train_100.jsonl');
  await system.importDataset(
    'musique',
    [...lines.slice(0, 12), '{"id": 1}', ...lines.slice(12, 20)].join('\n'),
    'musique',
  );
  const { body: dataset } = await system.api.get('/v1/datasets/musique').expect(200);
  expect(dataset).toMatchObject({ examples: 20, rejectedCount: 1, rejected: [{ line: 13 }] });
  const { id } = await system.createRun({
    name: 'musique',
    model: 'qwen',
    dataset: 'musique',
    arm: 'solo',
    contexts: { long: { maxTokens: 2000 } },
    sampling: { samplesPerContext: 2, temperature: 1, maxNewTokens: 6 },
    pairing: { mode: 'gold-chosen', heldOutPairs: 4 },
    training: { pairsPerStep: 4, learningRate: 1e-3, maxSteps: 3, stepsPerSlice: 2 },
    evaluation: { dataset: 'musique', documents: [4], questions: 8, maxNewTokens: 4 },
  });
  const run = await system.finished(id, 90_000);
  expect([run.state, run.error, run.pairs]).toEqual(['succeeded', null, 16]);

  const get = async <T>(what: string): Promise<T> =>
    (await system.api.get(`/v1/runs/${id}/${what}`).expect(200)).body as T;
  const pairs = await get<PairView[]>('pairs');
  expect(pairs).toHaveLength(20);
  for (const pair of pairs) {
    expect(pair.longTokens).toBeLessThanOrEqual(2000);
    expect(pair.longTokens).toBeGreaterThan(1700);
    expect(pair.shortTokens).toBeLessThan(pair.longTokens);
    expect(pair.rejected).not.toBe(pair.chosen);
  }
  const gold = JSON.parse(readFileSync(join(DATA, 'musique/musique_ans_train_100.jsonl'), 'utf8').split('\n')[0]!) as {
    id: string;
    answer: string;
  };
  expect(pairs.find(({ example }) => example === gold.id)?.chosen).toBe(gold.answer);

  // A model of random weights ends no answer: what is rejected is what was drawn, and only the gold answers have an end.
  expect(run.warnings.map(({ kind }) => kind)).toContain('cut-answers');
  const { responses } = await get<PairDetails>(`pairs/${pairs[0]?.digest}`);
  expect(responses.rejected?.pieces).toHaveLength(6);
  expect(responses.chosen.pieces.join('')).toContain('<|im_end|>');

  const steps = await get<StepView[]>('steps');
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3]);
  expect(steps[0]?.metrics['solo/loss_po']).toBeCloseTo(Math.LN2, 4);
  for (const { metrics } of steps) expect(Number.isFinite(metrics['solo/gap_abs'])).toBe(true);
  expect((await get<AlignmentView[]>('alignments')).map(({ step }) => step)).toEqual([0, 2, 3]);
  const evaluations = await get<EvaluationView[]>('evaluations');
  expect(evaluations.map(({ n, refused }) => n + Object.values(refused).reduce((a, b) => a + b, 0))).toEqual([8, 8]);
}, 120_000);
