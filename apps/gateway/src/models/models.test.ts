import { randomBytes } from 'node:crypto';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf, sha256, type ModelView } from '@solopo/contracts';
import { formatModelConfig, modelParameters } from '@solopo/lm';
import { waitFor } from '@solopo/testing';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerModel, storeArtifact } from '../testing/register.fixture.ts';
import { TINY, tinyModel, type ModelFiles } from '../testing/tiny-model.fixture.ts';

const gateway = useGateway({ artifactMaxBytes: 8_000_000 });

describe('artifacts', () => {
  it('are stored as a stream and come back byte for byte', async () => {
    const content = randomBytes(6_000_000);
    const stored = await fetch(`${gateway.url}/v1/artifacts`, {
      method: 'POST',
      body: ReadableStream.from(slices(content)),
      headers: { 'content-type': 'application/json' },
      duplex: 'half',
    });
    expect(stored.status).toBe(201);
    expect(await stored.json()).toEqual({ digest: sha256(content), bytes: content.length });
    const read = await request(gateway.url)
      .get(`/v1/artifacts/${sha256(content)}`)
      .buffer(true)
      .parse(binary)
      .expect(200);
    expect(read.headers['content-length']).toBe('6000000');
    expect((read.body as Buffer).equals(content)).toBe(true);
    const described = await request(gateway.url)
      .head(`/v1/artifacts/${sha256(content)}`)
      .expect(200);
    expect(described.headers['content-length']).toBe('6000000');
  });

  it('that were altered are not served, nor said to be there, until they are put again', async () => {
    const content = Buffer.from('some weights');
    const digest = await storeArtifact(gateway.url, content);
    const path = `/v1/artifacts/${digest}`;
    const served = await request(gateway.url).get(path).expect(200);
    expect(served.headers['cache-control']).toBe('private, max-age=31536000, immutable');
    const file = join(gateway.config.artifacts, 'content', digest.slice(0, 2), digest);
    await chmod(file, 0o644);
    await writeFile(file, 'some w3ights');
    const refused = await request(gateway.url).get(path).expect(500);
    expect(refused.body).toMatchObject({ code: 'artifact-damaged', detail: expect.stringContaining(digest) as string });
    expect(refused.headers['cache-control'] ?? '').not.toContain('immutable');
    await request(gateway.url).head(path).expect(404);
    await storeArtifact(gateway.url, content);
    await request(gateway.url).get(path).expect(200);
    await request(gateway.url).head(path).expect(200);
  });

  it('that are not there, or no digests, are refused', async () => {
    const missing = await request(gateway.url)
      .get(`/v1/artifacts/${'0'.repeat(64)}`)
      .expect(404);
    expect(missing.body).toMatchObject({ code: 'not-found', instance: `/v1/artifacts/${'0'.repeat(64)}` });
    await request(gateway.url).get('/v1/artifacts/..%2F..%2Fetc%2Fpasswd').expect(400);
  });

  it('that are too large are refused, announced or not, and leave nothing behind', async () => {
    const content = randomBytes(9_000_000);
    const announced = await request(gateway.url).post('/v1/artifacts').type('bin').send(content).expect(413);
    expect(announced.body).toMatchObject({
      status: 413,
      detail: expect.stringContaining('larger than 8000000 bytes') as string,
    });
    const streamed = await fetch(`${gateway.url}/v1/artifacts`, {
      method: 'POST',
      body: ReadableStream.from(slices(content)),
      duplex: 'half',
    });
    expect(streamed.status).toBe(413);
    expect(await readdir(join(gateway.config.artifacts, 'partial'))).toEqual([]);
  });

  it('whose upload breaks off leave nothing behind', async () => {
    const upload = httpRequest(`${gateway.url}/v1/artifacts`, {
      method: 'POST',
      headers: { 'content-length': '1000' },
    });
    upload.on('error', () => undefined);
    upload.write('half of it');
    const partial = (): Promise<string[]> => readdir(join(gateway.config.artifacts, 'partial'));
    await waitFor('the upload to begin', async () => (await partial()).length === 1);
    upload.destroy();
    await waitFor('the rest to be cleared', async () => (await partial()).length === 0);
  });
});

describe('a model', () => {
  it('is registered once, by the digest of its files', async () => {
    const files = tinyModel();
    const first = await registerModel(gateway.url, 'tiny', files);
    expect(first.status).toBe(201);
    const model = first.body as ModelView;
    const parameters = modelParameters(TINY).reduce((sum, [, dims]) => sum + dims.reduce((a, b) => a * b), 0);
    const digests = Object.fromEntries(Object.entries(files).map(([file, content]) => [file, sha256(content)]));
    expect(model).toMatchObject({
      name: 'tiny',
      family: 'seed_oss',
      parameters,
      digest: digestOf(digests),
      warnings: [],
      engines: ['onnx', 'torch'],
    });

    const again = await registerModel(gateway.url, 'tiny', files);
    expect(again.body).toEqual(model);
    const renamed = (await registerModel(gateway.url, 'other name', files)).body as ModelView;
    expect(renamed).toMatchObject({ name: 'other name', digest: model.digest });

    const list = await request(gateway.url).get('/v1/models').expect(200);
    expect((list.body as ModelView[]).map(({ name }) => name)).toEqual(['tiny', 'other name']);
    for (const reference of ['tiny', model.digest]) {
      const shown = await request(gateway.url).get(`/v1/models/${reference}`).expect(200);
      expect(shown.body).toMatchObject({ digest: model.digest });
    }
  });

  it('whose tokenizer transformers makes otherwise is registered with a warning', async () => {
    const files = { ...tinyModel(), 'config.json': JSON.stringify(formatModelConfig({ ...TINY, family: 'qwen2' })) };
    const { status, body } = await registerModel(gateway.url, 'as qwen2', files);
    const warnings = [expect.stringMatching(/AutoTokenizer of transformers .* makes a Qwen2Tokenizer/)];
    expect([status, body]).toEqual([201, expect.objectContaining({ warnings })]);
    const shown = await request(gateway.url).get('/v1/models/as%20qwen2').expect(200);
    expect(shown.body).toMatchObject({ warnings });
  });

  it('that nobody registered is not found', async () => {
    const { body } = await request(gateway.url).get('/v1/models/nobody').expect(404);
    expect(body).toMatchObject({ code: 'not-found', detail: expect.stringContaining('POST /v1/models') as string });
  });

  const withConfig = (changes: object): ModelFiles => {
    const files = tinyModel();
    return {
      ...files,
      'config.json': JSON.stringify({ ...(JSON.parse(files['config.json'] as string) as object), ...changes }),
    };
  };
  const without = (file: string): ModelFiles =>
    Object.fromEntries(Object.entries(tinyModel()).filter(([name]) => name !== file));
  const norm = 'model.layers.1.input_layernorm.weight';
  const indexed = (index: unknown): ModelFiles => ({
    ...without('model.safetensors'),
    'model.safetensors.index.json': JSON.stringify(index),
  });

  it.each<readonly [string, () => ModelFiles, RegExp]>([
    ['without config.json', () => without('config.json'), /config\.json is missing/],
    ['without tokenizer.json', () => without('tokenizer.json'), /tokenizer\.json: missing/],
    ['without weights', () => without('model.safetensors'), /neither model\.safetensors nor/],
    ['of another family', () => withConfig({ model_type: 'mamba' }), /model_type "mamba" is not supported/],
    [
      'with a setting out of range',
      () => withConfig({ num_attention_heads: 0 }),
      /num_attention_heads must be a positive/,
    ],
    [
      'with more layers than tensors',
      () => withConfig({ num_hidden_layers: 1e12 }),
      /num_hidden_layers is 1000000000000/,
    ],
    ['with a missing tensor', () => tinyModel((weights) => weights.delete(norm)), new RegExp(`"${norm}" is missing`)],
    ['with an unknown tensor', () => tinyModel((weights) => weights.set('lora.A', one())), /"lora\.A" does not belong/],
    [
      'with a tensor of the wrong shape',
      () => tinyModel((weights) => weights.set(norm, one())),
      new RegExp(`"${norm}" has shape \\[1\\], .* \\[8\\]`),
    ],
    ['with truncated weights', () => truncated(0.7), /lies outside the file, which is truncated/],
    ['with weights cut in the header', () => truncated(0.01), /header claims/],
    [
      'with weights that are something else',
      () => ({ ...tinyModel(), 'model.safetensors': 'PK' }),
      /too few for a safetensors file/,
    ],
    [
      'with a shard that is not there',
      () => indexed({ weight_map: { a: 'model-1.safetensors' } }),
      /model-1\.safetensors, named by .* is not in/,
    ],
    ['with an index of nothing', () => indexed(null), /no weight_map/],
    [
      'with a tokenizer that is something else',
      () => ({ ...tinyModel(), 'tokenizer.json': '{}' }),
      /tokenizer\.json: /,
    ],
    ['with fewer embeddings than tokens', () => withConfig({ vocab_size: 5 }), /shape|vocab_size/],
    [
      'whose tokenizer has more ids than the embedding has rows',
      moreTokens,
      /vocab_size \d+ in config\.json has no room/,
    ],
    [
      'whose end token is no token',
      () => ({ ...tinyModel(), 'generation_config.json': '{"eos_token_id": 999999}' }),
      /eos_token_id 999999/,
    ],
  ])('%s is refused by name', async (_, files, detail) => {
    const { status, body } = await registerModel(gateway.url, 'bad', files());
    expect(body).toMatchObject({ code: 'model-invalid', detail: expect.stringMatching(detail) as string });
    expect(status).toBe(422);
    expect(await gateway.ledger.models.find('bad')).toBeNull();
  });

  it('of a file that was altered since is refused by its name', async () => {
    const files: Record<string, string> = {};
    for (const [name, content] of Object.entries(tinyModel(() => undefined)))
      files[name] = await storeArtifact(gateway.url, content);
    const digest = files['config.json'] ?? '';
    const file = join(gateway.config.artifacts, 'content', digest.slice(0, 2), digest);
    const content = await readFile(file);
    await chmod(file, 0o644);
    await writeFile(file, '{}');
    const { body } = await request(gateway.url).post('/v1/models').send({ name: 'altered', files }).expect(500);
    expect(body).toMatchObject({
      code: 'artifact-damaged',
      detail: expect.stringContaining(`${digest} (config.json) is damaged`) as string,
    });
    await storeArtifact(gateway.url, content);
    await request(gateway.url).post('/v1/models').send({ name: 'altered', files }).expect(201);
  });

  it('of artifacts that nobody uploaded, or with a body that is none, is refused', async () => {
    const digest = await storeArtifact(gateway.url, '{}');
    const absent = await request(gateway.url)
      .post('/v1/models')
      .send({ name: 'x', files: { 'config.json': digest, 'a.bin': 'f'.repeat(64) } });
    expect(absent.body).toMatchObject({
      status: 422,
      code: 'model-invalid',
      detail: expect.stringMatching(/^a\.bin: there is no artifact ffff/) as string,
    });
    const { body } = await request(gateway.url)
      .post('/v1/models')
      .send({ name: 'a', files: { x: 'y' }, z: 1 })
      .expect(400);
    expect((body as { errors: { path: string }[] }).errors.map(({ path }) => path)).toEqual(['files.x', 'z']);
    const nul = await request(gateway.url).post('/v1/models').send({ name: 'a\0', files: {} }).expect(400);
    expect(nul.body).toMatchObject({ errors: [{ path: 'name' }] });
    await request(gateway.url).get('/v1/models/%00').expect(400);
  });
});

function one() {
  return { dims: [1], data: new Float32Array(1) };
}

function truncated(part: number): ModelFiles {
  const files = tinyModel();
  const weights = files['model.safetensors'] as Buffer;
  return { ...files, 'model.safetensors': weights.subarray(0, Math.floor(weights.length * part)) };
}

function moreTokens(): ModelFiles {
  const files = tinyModel();
  const tokenizer = JSON.parse(files['tokenizer.json'] as string) as { model: { vocab: Record<string, number> } };
  tokenizer.model.vocab['one-too-many'] = TINY.vocabSize;
  return { ...files, 'tokenizer.json': JSON.stringify(tokenizer) };
}

async function* slices(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 500_000) {
    yield content.subarray(at, at + 500_000);
    await sleep(1);
  }
}

function binary(response: request.Response, done: (error: Error | null, body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  const stream = response as unknown as NodeJS.ReadableStream;
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => done(null, Buffer.concat(chunks)));
}
