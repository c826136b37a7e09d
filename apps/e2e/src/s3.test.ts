import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256, type PolicyManifest, type Verification } from '@solopo/contracts';
import { startS3, waitFor, whyNoS3, type TestS3 } from '@solopo/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { System, type Worker } from './system.ts';

const WHY_NOT = whyNoS3();
const LIMIT_MS = 400_000;

/** One system over a folder that all its services share; one over a bucket, each service with a cache of its own. */
let [together, apart] = [] as unknown as [System, System];
let s3: TestS3;
let caches: string;
beforeAll(async () => {
  if (WHY_NOT !== undefined) return;
  caches = mkdtempSync(join(tmpdir(), 'solopo-caches-'));
  s3 = await startS3();
  const { artifacts, artifactsEndpoint, artifactsAccessKey, artifactsSecretKey } = s3.settings;
  const bucket = {
    SOLOPO_ARTIFACTS: artifacts,
    SOLOPO_ARTIFACTS_ENDPOINT: artifactsEndpoint,
    SOLOPO_ARTIFACTS_ACCESS_KEY: artifactsAccessKey,
    SOLOPO_ARTIFACTS_SECRET_KEY: artifactsSecretKey,
    SOLOPO_ARTIFACTS_CACHE: join(caches, 'gateway'),
    SOLOPO_ARTIFACTS_CACHE_MB: '100',
  };
  [together, apart] = await Promise.all([System.start(), System.start(bucket)]);
  await Promise.all([together, apart].map((system) => prepareRetrieval(system)));
}, LIMIT_MS);
afterAll(async () => {
  if (WHY_NOT !== undefined) return;
  await Promise.all([together.close(), apart.close()]);
  await s3.stop();
  rmSync(caches, { recursive: true, force: true });
});
beforeEach((context) => {
  if (WHY_NOT !== undefined) context.skip(WHY_NOT);
});

const config = retrievalRun({
  training: { pairsPerStep: 8, learningRate: 5e-4, stepsPerSlice: 2, betas: [0.9, 0.98], maxSteps: 8 },
});

function startApart(kind: Worker, name: string): void {
  apart.startWorker(kind, { SOLOPO_ARTIFACTS_CACHE: join(caches, name) }, name);
}

const cached = (name: string): string[] =>
  readdirSync(join(caches, name, 'content'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);

test(
  'S3 round trip: workers without a shared disk, one trainer after another, end with the policy of those that share a folder',
  async () => {
    together.startWorkers('datagen', 'reward', 'trainer');
    const { id: reference } = await together.createRun(config);
    for (const kind of ['datagen', 'reward', 'trainer'] as const) startApart(kind, kind);
    startApart('datagen', 'datagen-2');
    const { id } = await apart.createRun(config);
    const versions = () => apart.ledger.versions.list(id);
    await waitFor('a policy version', async () => (await versions()).length > 0, LIMIT_MS);
    await apart.stop('trainer');
    const before = await versions();
    startApart('trainer', 'trainer-2');
    const run = await apart.finished(id, LIMIT_MS);
    const expected = await together.finished(reference, LIMIT_MS);
    expect([run.state, run.error]).toEqual(['succeeded', null]);
    expect(run.policyDigest).toBe(expected.policyDigest);
    expect(run.chainHead).toBe(expected.chainHead);

    // The second trainer went on from what only the bucket had.
    const made = await versions();
    expect(before.length).toBeLessThan(made.length);
    expect(cached('trainer-2')).toContain(before.at(-1)?.digest);
    expect(cached('trainer')).not.toContain(run.policyDigest);
    const kept = readdirSync(s3.objects, { recursive: true, encoding: 'utf8' });
    for (const { digest } of made) expect(kept).toContain(join(digest.slice(0, 2), digest));

    const { body: verification } = await apart.api.get(`/v1/runs/${id}/verify`).expect(200);
    expect((verification as Verification).ok).toBe(true);
    const { body: manifest } = await apart.api.get(`/v1/runs/${id}/policy`).expect(200);
    for (const { digest, bytes, content } of (manifest as PolicyManifest).files) {
      if (content !== null) continue;
      const { body } = await apart.api.get(`/v1/artifacts/${digest}`).expect(200).buffer(true);
      expect([sha256(body as Buffer), (body as Buffer).length]).toEqual([digest, bytes]);
    }
  },
  2 * LIMIT_MS,
);

test(
  'a bucket that is away for a while costs time and nothing else',
  async () => {
    const again = { ...config, name: 'again', seed: 2 };
    const { id: reference } = await together.createRun(again);
    const expected = await together.finished(reference, LIMIT_MS);
    await s3.kill();
    const { id } = await apart.createRun(again);
    const { body } = await apart.api.head(`/v1/artifacts/${expected.policyDigest ?? ''}`).expect(503);
    expect(body).toEqual({});
    const refused = await apart.api.get(`/v1/artifacts/${expected.policyDigest ?? ''}`).expect(503);
    expect(refused.body).toMatchObject({
      code: 'not-ready',
      detail: expect.stringMatching(/^The artifact store s3:.* does not answer/) as string,
    });
    await s3.restart();
    const run = await apart.finished(id, LIMIT_MS);
    expect([run.state, run.error]).toEqual(['succeeded', null]);
    expect(run.chainHead).toBe(expected.chainHead);
  },
  2 * LIMIT_MS,
);
