import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AlignmentView, EvaluationView, PairView, StepView } from '@solopo/contracts';
import { formatModelConfig, initialise, parseModelConfig, writeSafetensors } from '@solopo/lm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DATA, System } from './system.ts';

/** Real records, the real Qwen2.5 tokenizer and vocabulary, and a model of random weights: right in nothing, but real in every stage. */
let system: System;
let folder = '';
beforeAll(async () => {
  system = await System.start();
  folder = mkdtempSync(join(tmpdir(), 'solopo-musique-'));
  const config = parseModelConfig({
    model_type: 'qwen2',
    vocab_size: 151_936,
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    intermediate_size: 32,
    tie_word_embeddings: true,
  });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(formatModelConfig(config)));
  writeSafetensors(join(folder, 'model.safetensors'), initialise(config, { seed: 1, embeddingStd: 0.02, residualScale: 1 }));
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
    copyFileSync(join(DATA, 'models/qwen2.5-0.5b-instruct', file), join(folder, file));
  await system.registerModel('random', folder);
  const lines = readFileSync(join(DATA, 'musique/musique_ans_train_100.jsonl'), 'utf8').split('\n');
  await system.importDataset('musique', [...lines.slice(0, 12), '{"id": 1}', ...lines.slice(12, 20)].join('\n'), 'musique');
  system.startWorkers('datagen', 'reward', 'trainer');
}, 60_000);
afterAll(async () => {
  await system.close();
  rmSync(folder, { recursive: true });
});

test('MuSiQue goes through every stage: gold answers against sampled wrong ones, long contexts within their budget', async () => {
  const { body: dataset } = await system.api.get('/v1/datasets/musique').expect(200);
  expect(dataset).toMatchObject({ examples: 20, rejectedCount: 1, rejected: [{ line: 13 }] });
  const { id } = await system.createRun({
    name: 'musique',
    model: 'random',
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

  const get = async <T>(what: string): Promise<T> => (await system.api.get(`/v1/runs/${id}/${what}`).expect(200)).body as T;
  const pairs = await get<PairView[]>('pairs');
  expect(pairs).toHaveLength(20);
  for (const pair of pairs) {
    expect(pair.longTokens).toBeLessThanOrEqual(2000);
    expect(pair.longTokens).toBeGreaterThan(1700);
    expect(pair.shortTokens).toBeLessThan(pair.longTokens);
    expect(pair.rejected).not.toBe(pair.chosen);
  }
  const gold = JSON.parse(readFileSync(join(DATA, 'musique/musique_ans_train_100.jsonl'), 'utf8').split('\n')[0]!) as { id: string; answer: string };
  expect(pairs.find(({ example }) => example === gold.id)?.chosen).toBe(gold.answer);

  const steps = await get<StepView[]>('steps');
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3]);
  expect(steps[0]?.metrics['solo/loss_po']).toBeCloseTo(Math.LN2, 4);
  for (const { metrics } of steps) expect(Number.isFinite(metrics['solo/gap_abs'])).toBe(true);
  expect((await get<AlignmentView[]>('alignments')).map(({ step }) => step)).toEqual([0, 2, 3]);
  const evaluations = await get<EvaluationView[]>('evaluations');
  expect(evaluations.map(({ n, refused }) => n + Object.values(refused).reduce((a, b) => a + b, 0))).toEqual([8, 8]);
}, 120_000);
