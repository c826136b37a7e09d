import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  formatAdapterConfig,
  formatModelConfig,
  initialise,
  initialiseLora,
  parseModelConfig,
  readModelFolder,
  readSafetensors,
  toPeftNames,
  writeSafetensors,
  type HostTensor,
  type LoraOptions,
} from '@solopo/lm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerJson, LocalServer } from '../client/local-server.fixture.ts';
import { ran, type Ran } from '../command-line/terminal.fixture.ts';

const CONFIG = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 16,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 12,
  tie_word_embeddings: true,
});
const LORA: LoraOptions = { rank: 2, alpha: 3, targets: ['q_proj', 'down_proj'], rsLora: true };
const BASE = 'b'.repeat(64);
const CARD = '---\nlibrary_name: peft\n---\n\n# A run\n';

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

let server: LocalServer;
let folder: string;
let artifacts: Map<string, Buffer>;
let manifest: {
  run: string;
  step: number;
  kind: string;
  baseModel: string;
  warnings: string[];
  files: unknown[];
};
let baseFiles: Record<string, string>;
let engines: string[];

const solopo = (...args: string[]): Promise<Ran> => ran(args, { SOLOPO_API: server.url });
const path = (name: string): string => join(folder, name);

function store(bytes: Buffer): string {
  artifacts.set(sha256(bytes), bytes);
  return sha256(bytes);
}

function artifact(name: string, bytes: Buffer) {
  return { name, digest: store(bytes), bytes: bytes.length, content: null };
}

function generated(name: string, content: string) {
  return { name, digest: sha256(content), bytes: content.length, content };
}

function safetensors(tensors: ReadonlyMap<string, HostTensor>, metadata: Record<string, string> = {}): Buffer {
  writeSafetensors(path('tensors'), tensors, metadata);
  const bytes = readFileSync(path('tensors'));
  rmSync(path('tensors'));
  return bytes;
}

/** An adapter that changes something: its B is not 0. */
const adapter = new Map(
  [...initialiseLora(CONFIG, LORA, 1)].map(([name, { dims, data }]) => [
    name,
    { dims, data: data.map((x, i) => x + 0.01 * i) },
  ]),
);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-export-'));
  artifacts = new Map();
  const config = { ...formatModelConfig(CONFIG), torch_dtype: 'bfloat16', eos_token_id: 3 };
  engines = ['onnx', 'torch'];
  baseFiles = {
    'config.json': store(Buffer.from(JSON.stringify(config))),
    'model.safetensors': store(safetensors(initialise(CONFIG, { seed: 1, embeddingStd: 0.1, residualScale: 1 }))),
    'tokenizer.json': store(Buffer.from('{}')),
    'README.md': store(Buffer.from('# The base')),
  };
  manifest = {
    run: 'r',
    step: 4,
    kind: 'adapter',
    baseModel: BASE,
    warnings: [],
    files: [
      generated('README.md', CARD),
      generated('adapter_config.json', JSON.stringify(formatAdapterConfig(LORA, 'base'))),
      artifact('adapter_model.safetensors', safetensors(toPeftNames(adapter))),
      { ...artifact('tokenizer.json', Buffer.from('{}')) },
    ],
  };
  server = await LocalServer.start(({ line }, response) => {
    const [, digest = ''] = /^GET \/v1\/artifacts\/(\w+)/.exec(line) ?? [];
    if (line.startsWith('GET /v1/runs/r/policy')) return answerJson(response, 200, manifest);
    if (line === `GET /v1/models/${BASE}`)
      return answerJson(response, 200, { name: 'base', digest: BASE, files: baseFiles, engines });
    const bytes = artifacts.get(digest);
    if (bytes === undefined) return answerJson(response, 404, { detail: `There is no ${line}.` });
    return void response.end(bytes);
  });
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

describe('an exported adapter', () => {
  it('is the folder of the manifest, byte for byte', async () => {
    const { code, out } = await solopo('export', 'r', '--out', path('a'), '--step', '4');
    expect([code, out]).toEqual([0, `A PEFT adapter folder: ${path('a')} (step 4)\n`]);
    expect(server.received[0]?.line).toBe('GET /v1/runs/r/policy?step=4');
    expect(readdirSync(path('a')).sort()).toEqual([
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
      'tokenizer.json',
    ]);
    expect(readFileSync(path('a/README.md'), 'utf8')).toBe(CARD);
  });

  it('says what its base model is warned of', async () => {
    manifest.warnings = ['Look at the tokenizer.'];
    expect((await solopo('export', 'r', '--out', path('a'))).err).toContain('\nwarning: Look at the tokenizer.');
  });

  it('merged says over weights of which format the adapter was trained', async () => {
    const bytes = safetensors(toPeftNames(adapter), { frozen_weights: 'int8' });
    manifest.files[2] = artifact('adapter_model.safetensors', bytes);
    await solopo('export', 'r', '--out', path('m'), '--merge');
    expect(readSafetensors(path('m/model.safetensors')).metadata).toMatchObject({ adapter_trained_over: 'int8' });
  });

  it('merged is what base and adapter are together', async () => {
    const { out } = await solopo('export', 'r', '--out', path('m'), '--merge', '--json');
    const files = ['README.md', 'config.json', 'model.safetensors', 'tokenizer.json'];
    expect(JSON.parse(out)).toEqual({
      run: 'r',
      step: 4,
      kind: 'model',
      merged: true,
      folder: path('m'),
      files,
      warnings: [],
    });
    expect(readdirSync(path('m')).sort()).toEqual(files);

    mkdirSync(path('together'));
    for (const [name, digest] of Object.entries(baseFiles))
      writeFileSync(path(`together/${name}`), artifacts.get(digest)!);
    writeFileSync(path('together/adapter_model.safetensors'), safetensors(toPeftNames(adapter)));
    writeFileSync(path('together/adapter_config.json'), JSON.stringify(formatAdapterConfig(LORA, 'base')));
    const merged = readModelFolder(path('m'));
    expect(merged.weights).toEqual(readModelFolder(path('together')).weights);
    const q = 'model.layers.0.self_attn.q_proj.weight';
    rmSync(path('together/adapter_model.safetensors'));
    rmSync(path('together/adapter_config.json'));
    expect(merged.weights.get(q)).not.toEqual(readModelFolder(path('together')).weights.get(q));

    const config = JSON.parse(readFileSync(path('m/config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({ torch_dtype: 'float32', eos_token_id: 3 });
    expect(readFileSync(path('m/README.md'), 'utf8')).toMatch(/library_name: transformers[^]*# A run[^]*## Merged/);
  });

  it('of a model that PyTorch alone has is merged by the names of its tensors', async () => {
    engines = ['torch'];
    const layer = 'gpt_neox.layers.0.attention.dense';
    const tensor = (dims: number[], factor: number) => ({
      dims,
      data: Float32Array.from({ length: (dims[0] ?? 0) * (dims[1] ?? 0) }, (_, i) => factor * (i + 1)),
    });
    const table = tensor([5, 2], 1);
    const base = new Map([
      ['gpt_neox.embed_in.weight', table],
      [`${layer}.weight`, tensor([2, 2], 1)],
    ]);
    const config = { model_type: 'gpt_neox', tie_word_embeddings: false, dtype: 'bfloat16' };
    baseFiles['config.json'] = store(Buffer.from(JSON.stringify(config)));
    baseFiles['model.safetensors'] = store(safetensors(base));
    const trained = new Map([
      [`${layer}.lora_A.weight`, tensor([1, 2], 1)],
      [`${layer}.lora_B.weight`, tensor([2, 1], 10)],
    ]);
    const lora = { rank: 1, alpha: 0.5, targets: ['dense'], rsLora: false };
    manifest.files[1] = generated('adapter_config.json', JSON.stringify(formatAdapterConfig(lora, 'base')));
    manifest.files[2] = artifact('adapter_model.safetensors', safetensors(toPeftNames(trained)));
    expect(await solopo('export', 'r', '--out', path('m'), '--merge')).toMatchObject({ code: 0 });
    const { tensors } = readSafetensors(path('m/model.safetensors'));
    expect(tensors.get('gpt_neox.embed_in.weight')).toEqual(table);
    // W + 0.5 (10, 20)' (1, 2)
    expect([...(tensors.get(`${layer}.weight`)?.data ?? [])]).toEqual([1 + 5, 2 + 10, 3 + 10, 4 + 20]);
    const written = JSON.parse(readFileSync(path('m/config.json'), 'utf8')) as object;
    expect(written).toEqual({ ...config, dtype: 'float32', torch_dtype: 'float32' });

    manifest.files[2] = artifact(
      'adapter_model.safetensors',
      safetensors(new Map([...toPeftNames(trained)].map(([name, each]) => [name.replace('dense', 'qkv'), each]))),
    );
    const { code, err } = await solopo('export', 'r', '--out', path('n'), '--merge');
    expect([code, err]).toEqual([1, expect.stringContaining('no tensor "gpt_neox.layers.0.attention.qkv.weight"')]);
  });

  it('that does not fit its base is refused, and nothing stays behind', async () => {
    manifest.files[2] = artifact('adapter_model.safetensors', safetensors(toPeftNames(new Map([...adapter].slice(1)))));
    const { code, err } = await solopo('export', 'r', '--out', path('m'), '--merge');
    expect([code, err]).toEqual([1, expect.stringContaining('is missing from adapter_model.safetensors')]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a download', () => {
  it('that is not what its digest says is refused, and nothing stays behind', async () => {
    for (const digest of [...artifacts.keys()]) artifacts.set(digest, Buffer.from('something else'));
    const { code, err } = await solopo('export', 'r', '--out', path('a'));
    expect([code, err]).toEqual([1, expect.stringMatching(/adapter_model.safetensors came with the digest/)]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('never leaves its folder', async () => {
    manifest.files.push(generated('../evil', 'x'));
    const { code, err } = await solopo('export', 'r', '--out', path('a'));
    expect([code, err]).toEqual([1, expect.stringContaining('lies outside of the folder')]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('goes into a new or an empty folder alone', async () => {
    mkdirSync(path('full'));
    writeFileSync(path('full/mine'), '');
    mkdirSync(path('empty'));
    expect(await solopo('export', 'r', '--out', path('full'))).toMatchObject({ code: 2 });
    expect(await solopo('export', 'r', '--out', path('full/mine'))).toMatchObject({ code: 2 });
    expect(await solopo('export', 'r', '--out', path('empty'))).toMatchObject({ code: 0 });
    expect(readdirSync(path('full'))).toEqual(['mine']);
  });
});
