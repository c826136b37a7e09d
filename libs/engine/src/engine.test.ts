import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialise, parseModelConfig, formatModelConfig, writeSafetensors } from '@solopo/lm';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { Engine, memorySettings, type EngineOptions } from './index.ts';

let folder = '';
const engines: Engine[] = [];
const engine = (options: Partial<EngineOptions> = {}): Engine => {
  const made = new Engine({ threads: 1, ...options });
  engines.push(made);
  return made;
};
const trees = Array.from({ length: 40 }, (_, i) => ({
  prompt: Int32Array.from({ length: 400 }, (_x, t) => (t * 7 + i) % 30),
  branches: [Int32Array.of(1, 2, 3)],
}));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-engine-'));
  const config = parseModelConfig({
    model_type: 'qwen2',
    vocab_size: 30,
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    intermediate_size: 32,
    tie_word_embeddings: true,
  });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(formatModelConfig(config)));
  writeSafetensors(
    join(folder, 'model.safetensors'),
    initialise(config, { seed: 1, embeddingStd: 0.5, residualScale: 1 }),
  );
});
afterEach(() => engines.splice(0).forEach((each) => each.close()));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('scores in another process, with signs of life, while this one stays responsive', async () => {
  let beats = 0;
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 5);
  const { logps, tokens } = await engine().run(
    'score',
    { model: { folder }, trees, batchTokens: 1000 },
    { onProgress: () => (beats += 1) },
  );
  clearInterval(timer);
  expect(logps).toHaveLength(40);
  expect(logps[0]?.[0]).toHaveLength(3);
  expect(tokens).toBe(40 * 403);
  expect(beats).toBeGreaterThan(5);
  expect(ticks).toBeGreaterThan(5);
});

test('two engine processes give the same bits for the same work, and their fingerprint says so', async () => {
  const [a, b] = [engine(), engine()];
  expect(await a.run('fingerprint', {})).toBe(await b.run('fingerprint', {}));
  const input = { model: { folder }, trees, batchTokens: 2000 };
  expect((await a.run('score', input)).logps).toEqual((await b.run('score', input)).logps);
});

test('a killed engine fails its task as retryable, and the next task gets a new process', async () => {
  const one = engine();
  const doomed = one.run(
    'score',
    { model: { folder }, trees, batchTokens: 500 },
    { onProgress: () => process.kill(one.pid as number, 'SIGKILL') },
  );
  await expect(doomed).rejects.toMatchObject({ code: 'engine-failed', retryable: true });
  expect(
    (await one.run('score', { model: { folder }, trees: trees.slice(0, 1), batchTokens: 500 })).logps,
  ).toHaveLength(1);
});

test('a setting of the environment leaves the other memory settings of the engine in force', async () => {
  vi.stubEnv('GLIBC_TUNABLES', 'glibc.malloc.arena_max=2');
  const one = engine();
  await one.run('fingerprint', {});
  vi.unstubAllEnvs();
  const expected = memorySettings('glibc.malloc.arena_max=2');
  expect(expected).toContain('glibc.malloc.hugetlb=1');
  expect(one.state?.memorySettings).toBe(expected);
});

test('a limit of buffers reaches the process, and its fingerprint tells it', async () => {
  const limited = engine({ maxBufferBytes: 4096 });
  expect(await limited.run('fingerprint', {})).toContain('; cpu float32, buffers 4096; ');
  const narrow = engine({ maxBufferBytes: 1024 });
  await expect(narrow.run('score', { model: { folder }, trees, batchTokens: 500 })).rejects.toMatchObject({
    code: 'model-invalid',
    message: expect.stringMatching(/^parameter "/) as string,
  });
});

test('an abort ends the task', async () => {
  const abort = new AbortController();
  const task = engine().run(
    'score',
    { model: { folder }, trees, batchTokens: 500 },
    { signal: abort.signal, onProgress: () => abort.abort() },
  );
  await expect(task).rejects.toMatchObject({ code: 'engine-failed' });
});

test('a model folder with something missing is refused by name, not tried again', async () => {
  const broken = mkdtempSync(join(tmpdir(), 'solopo-broken-'));
  writeFileSync(join(broken, 'config.json'), '{"model_type":"qwen2"}');
  await expect(engine().run('score', { model: { folder: broken }, trees, batchTokens: 500 })).rejects.toMatchObject({
    code: 'model-invalid',
    retryable: false,
    message: expect.stringContaining('neither model.safetensors') as string,
  });
  rmSync(broken, { recursive: true });
});
