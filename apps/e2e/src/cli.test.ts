import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exampleLine, retrievalExamples } from '@solopo/corpus';
import { readModelFolder } from '@solopo/lm';
import { tinyGguf } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { retrievalRun } from './retrieval-run.ts';
import { DATA, System } from './system.ts';

const CLI = fileURLToPath(new URL('../../cli/dist/main.js', import.meta.url));
const MODEL = join(DATA, 'models/retrieval-144k');

let system: System;
let folder: string;
beforeAll(async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  system = await System.start({
    SOLOPO_SIGNING_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
  system.startWorkers('datagen', 'reward', 'trainer');
  folder = mkdtempSync(join(tmpdir(), 'solopo-e2e-cli-'));
}, 60_000);
afterAll(async () => {
  await system.close();
  rmSync(folder, { recursive: true });
});

const path = (name: string): string => join(folder, name);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The command line as a process of its own. */
function solopo(...args: string[]): Promise<Ran> {
  const env = { PATH: process.env['PATH'], SOLOPO_API: `http://127.0.0.1:${system.gatewayPort}` };
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

async function json<T>(...args: string[]): Promise<T> {
  const { code, out, err } = await solopo(...args, '--json');
  expect([code, code === 0 ? '' : err]).toEqual([0, '']);
  return JSON.parse(out) as T;
}

interface Result {
  readonly run: { readonly id: string; readonly state: string; readonly policyDigest: string; readonly pairs: number };
  readonly steps: readonly unknown[];
  readonly evaluations: readonly unknown[];
}

const idOf: Record<string, string> = {};

test('a GGUF file is registered, and shown as dequantised', async () => {
  writeFileSync(path('tiny.gguf'), tinyGguf());
  const { code, out, err } = await solopo('models', 'add', path('tiny.gguf'));
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(/^Model tiny: llama, 21,760 parameters\ndequantised from GGUF Q8_0 \([0-9a-f]{64}\)\n/),
  ]);
  expect(err).toContain('tiny.gguf: dequantised from GGUF Q8_0 to float32');
  const source = { format: 'gguf', file_type: 'Q8_0', sha256: createHash('sha256').update(tinyGguf()).digest('hex') };
  expect(await json('models', 'show', 'tiny')).toMatchObject({ name: 'tiny', source, config: { source } });
  expect((await solopo('models', 'list')).out).toMatch(/^tiny .* gguf Q8_0 /m);
});

test('a model and data sets are registered', async () => {
  const lines = (seed: number, count: number) =>
    [...retrievalExamples({ seed, count, documents: 8 })]
      .map((example) => `${exampleLine(example).trimEnd()}\n`)
      .join('');
  writeFileSync(path('train.jsonl'), `${lines(1, 60)}not JSON\n`);
  writeFileSync(path('questions.jsonl'), lines(2, 20));
  const { code, out } = await solopo('models', 'add', MODEL, '--name', 'retrieval');
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(/^Model retrieval: seed_oss, 14\d,\d{3} parameters\n[0-9a-f]{64}\n$/),
  ]);
  expect((await solopo('models', 'add', MODEL, '--name', 'retrieval')).err).toContain(
    'model.safetensors: there already',
  );
  const imported = await solopo('datasets', 'import', path('train.jsonl'));
  expect([imported.code, imported.out]).toEqual([
    0,
    expect.stringMatching(/^Data set train: 60 examples; 1 lines refused\n {2}line 61: /),
  ]);
  expect(await json('datasets', 'import', path('questions.jsonl'))).toMatchObject({ name: 'questions', examples: 20 });
  expect(await json<unknown[]>('datasets', 'list')).toHaveLength(2);
});

describe.each(['full', 'lora'] as const)('a %s run', (kind) => {
  test('is watched to its end', async () => {
    writeFileSync(path('run.yaml'), JSON.stringify(retrievalRun({ name: kind })));
    const adapter = kind === 'lora' ? ['--set', 'adapter={kind: lora, rank: 4, alpha: 8}'] : [];
    const args = ['runs', 'create', '-f', path('run.yaml'), '--watch', '--set', 'training.maxSteps=2', ...adapter];
    const { run, steps, evaluations } = await json<Result>(...args);
    idOf[kind] = run.id;
    expect(run.state).toBe('succeeded');
    expect([steps.length, evaluations.length]).toEqual([2, 4]);
    const shown = await solopo('runs', 'show', run.id);
    expect(shown.out).toMatch(/state +succeeded[^]*Training, by step[^]*Accuracy in %[^]*Cost/);
    expect((await solopo('runs', 'watch', run.id)).code).toBe(0);
  }, 60_000);

  test('is verified', async () => {
    const { code, out } = await solopo('verify', idOf[kind]!);
    expect([code, out]).toEqual([0, expect.stringMatching(/^ok /)]);
    expect(out).not.toContain('FAILED');
  });

  test('gives its pairs to other trainers', async () => {
    const { run } = await json<Result>('runs', 'show', idOf[kind]!);
    const { pairs } = await json<{ pairs: number }>(
      'pairs',
      'export',
      run.id,
      '--format',
      'trl-tokens',
      '-o',
      path(`${kind}.jsonl`),
    );
    expect(pairs).toBe(run.pairs);
    const [first] = readFileSync(path(`${kind}.jsonl`), 'utf8').split('\n');
    expect(Object.keys(JSON.parse(first!) as object).sort()).toEqual(['chosen_ids', 'prompt_ids', 'rejected_ids']);
    const { out } = await solopo('pairs', 'export', run.id, '--format', 'llama-factory', '--split', 'held-out');
    expect(out.trim().split('\n')).toHaveLength(8);
  });
});

/** By the key that the system gives; and that a byte more in a file is found. */
async function isSigned(name: string, statement: RegExp): Promise<void> {
  writeFileSync(path('system.pub'), (await solopo('signing-key')).out);
  const verify = () => solopo('verify', path(name), '--key', path('system.pub'));
  expect(await verify()).toMatchObject({ code: 0, out: expect.stringMatching(statement) as string });
  const card = readFileSync(path(`${name}/README.md`));
  writeFileSync(path(`${name}/README.md`), `${card.toString()} `);
  expect(await verify()).toMatchObject({
    code: 1,
    out: expect.stringMatching(/^FAILED +files +file-altered: README\.md$/m) as string,
  });
  writeFileSync(path(`${name}/README.md`), card);
}

test('the policy of a full run is a model that can be registered again', async () => {
  await json('export', idOf['full']!, '--out', path('policy'));
  const { run } = await json<Result>('runs', 'show', idOf['full']!);
  const weights = readFileSync(path('policy/model.safetensors'));
  expect(createHash('sha256').update(weights).digest('hex')).toBe(run.policyDigest);
  expect(readFileSync(path('policy/README.md'), 'utf8')).toContain(run.policyDigest);
  await isSigned('policy', /^ok +statement +model of run /);
  expect((await solopo('models', 'add', path('policy'))).code).toBe(0);
  expect((await solopo('export', idOf['full']!, '--out', path('policy'))).code).toBe(2);
});

test('the policy of a LoRA run is an adapter, and merged a model that answers', async () => {
  const id = idOf['lora']!;
  await json('export', id, '--out', path('adapter'));
  expect(readdirSync(path('adapter'))).toEqual(
    expect.arrayContaining(['README.md', 'adapter_config.json', 'adapter_model.safetensors']),
  );
  expect(await json('export', id, '--out', path('merged'), '--merge')).toMatchObject({
    kind: 'model',
    merged: true,
    step: 2,
  });

  await isSigned('adapter', /^ok +statement +adapter of run /);
  await isSigned(
    'merged',
    /^ok +statement +merged of run .*; the digests of .*model\.safetensors are whoever exported /,
  );

  cpSync(MODEL, path('together'), { recursive: true });
  for (const file of ['adapter_config.json', 'adapter_model.safetensors'])
    cpSync(path(`adapter/${file}`), path(`together/${file}`));
  const merged = readModelFolder(path('merged'));
  expect(merged.weights).toEqual(readModelFolder(path('together')).weights);
  expect(merged.weights).not.toEqual(readModelFolder(MODEL).weights);
  const prompt = ['generate', path('merged'), '--chat', '--prompt', 'code', '--max-new-tokens', '3'];
  expect(await json<{ ids: number[] }>(...prompt)).toMatchObject({ finish: expect.any(String) as string });
});

test('what goes wrong is said, with an exit code', async () => {
  expect(await solopo('runs', 'show', 'nobody')).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining('nobody') as string,
  });
  expect((await solopo('runs', 'create', '-f', path('train.jsonl'))).code).toBe(2);
  const missing = await solopo('runs', 'create', '-f', path('run.yaml'), '--set', 'model=nothing');
  expect([missing.code, missing.err]).toEqual([1, expect.stringContaining('nothing')]);
});
