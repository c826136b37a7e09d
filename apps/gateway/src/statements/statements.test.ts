import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import {
  digestOf,
  envelopeSchema,
  sha256,
  statementSchema,
  type PolicyManifest,
  type RunView,
} from '@solopo/contracts';
import { merkleRoot } from '@solopo/pipeline';
import request from 'supertest';
import { beforeAll, describe, expect, it } from 'vitest';
import { finishRun } from '../testing/finish-run.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs } from '../testing/register.fixture.ts';
import { SigningKey } from './signing-key.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const gateway = useGateway({ signingKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() });
const FILE = 'solopo.intoto.jsonl';

async function finished(changes: object = {}): Promise<RunView> {
  const config = {
    name: 'a run',
    model: 'tiny',
    dataset: 'questions',
    contexts: { long: { documents: 4 } },
    pairing: { heldOutPairs: 2 },
    training: { pairsPerStep: 2, stepsPerSlice: 2 },
    ...changes,
  };
  const { body } = await request(gateway.url).post('/v1/runs').send(config).expect(201);
  const { id } = body as RunView;
  await finishRun(gateway, id);
  return gateway.ledger.runs.view(id);
}

async function manifestOf({ id }: RunView): Promise<PolicyManifest> {
  return (await request(gateway.url).get(`/v1/runs/${id}/policy`).expect(200)).body as PolicyManifest;
}

/** The statement in an envelope that the system's key has signed. */
function opened(envelope: unknown) {
  const { payload, payloadType, signatures } = envelopeSchema.parse(envelope);
  const body = Buffer.from(payload, 'base64');
  const encoded = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `), body]);
  const sig = Buffer.from(signatures[0]?.sig ?? '', 'base64');
  expect(verify(null, encoded, publicKey, sig)).toBe(true);
  return statementSchema.parse(JSON.parse(body.toString()));
}

function statementOf({ files }: PolicyManifest) {
  return opened(JSON.parse(files.find(({ name }) => name === FILE)?.content ?? '{}'));
}

describe("an export's statement", () => {
  let full: RunView;
  let adapted: RunView;
  beforeAll(async () => {
    await registerInputs(gateway.url);
    full = await finished();
    adapted = await finished({ adapter: { kind: 'lora', rank: 4, alpha: 8, targets: ['q_proj'], rsLora: true } });
  });

  it.each(['full', 'adapter'])('of a %s policy names its files, and what they are made of', async (kind) => {
    const run = kind === 'full' ? full : adapted;
    const manifest = await manifestOf(run);
    const { subject, predicate } = statementOf(manifest);
    const others = manifest.files.filter(({ name }) => name !== FILE);
    expect(subject).toEqual(others.map(({ name, digest }) => ({ name, digest: { sha256: digest } })));
    const { config, resolved } = await gateway.ledger.runs.require(run.id);
    const pair = run.stages.find((stage) => stage.kind === 'pair')?.digest ?? '';
    const pairs = await gateway.ledger.pairs.list(pair, 'training', { from: 0, to: 100 });
    expect(pairs).toHaveLength(10);
    expect(predicate).toEqual({
      run: run.id,
      step: 5,
      kind: kind === 'full' ? 'model' : 'adapter',
      baseModel: resolved.model,
      dataset: resolved.dataset,
      evaluationDataset: null,
      pairs: { count: 10, merkleRoot: merkleRoot(pairs.map(({ digest }) => digest)) },
      chainHead: run.chainHead,
      engines: ['a fake engine'],
      configuration: digestOf(config),
      product: { name: 'solopo', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string },
      declared: [],
      adapter: null,
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    });
    expect(await manifestOf(run)).toEqual(manifest);
  });

  it('of a merged policy says which files its exporter answers for', async () => {
    const { files } = await gateway.ledger.models.require('tiny');
    const tokenizer = files['tokenizer.json'] ?? '';
    const merged = [
      { name: 'config.json', digest: sha256('another') },
      { name: 'model.safetensors', digest: sha256('merged') },
      { name: 'tokenizer.json', digest: tokenizer },
    ];
    const path = `/v1/runs/${adapted.id}/policy/statement`;
    const { subject, predicate } = opened(
      (await request(gateway.url).post(path).send({ files: merged }).expect(200)).body,
    );
    expect(subject).toEqual(merged.map(({ name, digest }) => ({ name, digest: { sha256: digest } })));
    expect(predicate).toMatchObject({
      kind: 'merged',
      declared: ['config.json', 'model.safetensors'],
      adapter: adapted.policyDigest,
    });
    await request(gateway.url).post(`/v1/runs/${full.id}/policy/statement`).send({ files: merged }).expect(409);
    const outside = [{ name: '../config.json', digest: tokenizer }];
    await request(gateway.url).post(path).send({ files: outside }).expect(400);
  });

  it('is signed with the key that the API gives', async () => {
    const { body } = await request(gateway.url).get('/v1/signing-key').expect(200);
    const given = createPublicKey((body as { publicKey: string }).publicKey);
    expect(given.equals(publicKey)).toBe(true);
    expect((body as { keyid: string }).keyid).toBe(sha256(publicKey.export({ type: 'spki', format: 'der' })));
  });
});

describe('a key to sign with', () => {
  it('that is none of Ed25519 stops the gateway from starting, and is not shown', () => {
    const { privateKey: other } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    for (const signingKey of ['no key', other.export({ type: 'pkcs8', format: 'pem' }).toString()])
      expect(() => new SigningKey({ signingKey })).toThrow(
        /^SOLOPO_SIGNING_KEY is no Ed25519 private key in PEM; make /,
      );
  });

  it('may be missing: then there is none to show', () => {
    expect(() => new SigningKey({ signingKey: undefined }).require()).toThrow(
      /has no key to sign statements with; set /,
    );
  });
});
