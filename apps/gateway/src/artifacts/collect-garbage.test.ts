import { chmod, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { openArtifacts, type ArtifactStore } from '@solopo/artifacts';
import type { Garbage, RunView, Verification } from '@solopo/contracts';
import request from 'supertest';
import { beforeAll, expect, it } from 'vitest';
import { finishRun } from '../testing/finish-run.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs } from '../testing/register.fixture.ts';

const gateway = useGateway();
let store: ArtifactStore;
let run: string;

beforeAll(async () => {
  await registerInputs(gateway.url);
  const config = { name: 'a run', model: 'tiny', dataset: 'questions', contexts: { long: { documents: 4 } } };
  run = ((await request(gateway.url).post('/v1/runs').send(config).expect(201)).body as RunView).id;
  await finishRun(gateway, run);
  store = await openArtifacts(gateway.config);
  for await (const { digest } of store.list()) await age(digest);
});

/** As if it had been stored two days ago. */
async function age(digest: string): Promise<void> {
  const then = new Date(Date.now() - 48 * 3_600_000);
  const path = join(gateway.config.artifacts, 'content', digest.slice(0, 2), digest);
  await chmod(path, 0o644);
  await utimes(path, then, then);
}

async function gc(asked: object = {}): Promise<Garbage> {
  return (await request(gateway.url).post('/v1/artifacts/gc').send(asked).expect(200)).body as Garbage;
}

it('takes nothing that a model, a checkpoint or a policy is, however old', async () => {
  let there = 0;
  for await (const { bytes } of store.list()) there += Math.sign(bytes);
  expect(await gc({ dryRun: false, graceHours: 1 })).toEqual({
    dryRun: false,
    unneeded: 0,
    bytes: 0,
    fresh: 0,
    referenced: there,
  });
  const { checks } = (await request(gateway.url).get(`/v1/runs/${run}/verify`).expect(200)).body as Verification;
  expect(checks.find(({ name }) => name === 'artifacts')).toMatchObject({ ok: true });
});

it('says first what it would take, takes what is old, and leaves what somebody may be about to refer to', async () => {
  const [old, again, fresh] = await Promise.all(
    ['an upload of long ago', 'one that is stored again', 'one of now'].map((text) => store.put(Buffer.from(text))),
  );
  for (const { digest } of [old!, again!]) await age(digest);
  await store.put(Buffer.from('one that is stored again'));
  expect(await gc()).toMatchObject({ dryRun: true, unneeded: 1, bytes: old!.bytes, fresh: 2 });
  expect(await store.has(old!.digest)).toBe(true);
  expect(await gc({ dryRun: false })).toMatchObject({ dryRun: false, unneeded: 1, bytes: old!.bytes, fresh: 2 });
  expect([await store.has(old!.digest), await store.has(again!.digest), await store.has(fresh!.digest)]).toEqual([
    false,
    true,
    true,
  ]);
});

it('and a model that is registered from old uploads at the same time: it is whole, or refused', async () => {
  for (let turn = 0; turn < 5; turn++) {
    const { digest } = await store.put(Buffer.from(JSON.stringify({ turn })));
    await age(digest);
    const [registered] = await Promise.allSettled([
      request(gateway.url)
        .post('/v1/models')
        .send({ name: `turn ${turn}`, files: { ...(await filesOfTiny()), 'generation_config.json': digest } }),
      gc({ dryRun: false }),
    ]);
    if (registered.status !== 'fulfilled') throw registered.reason;
    const isThere = await store.has(digest);
    expect([registered.value.status === 201, isThere]).toEqual([isThere, isThere]);
  }
});

async function filesOfTiny(): Promise<Record<string, string>> {
  return { ...(await gateway.ledger.models.require('tiny')).files };
}

it('keeps an hour at least', async () => {
  await request(gateway.url).post('/v1/artifacts/gc').send({ graceHours: 0 }).expect(400);
});
