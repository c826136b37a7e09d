import { jetstreamManager } from '@nats-io/jetstream';
import { WORK } from '@solopo/bus';
import { ONE_RANK, SolopoError, type RunConfigInput, type RunView, type SystemView } from '@solopo/contracts';
import { loadConfig } from '@solopo/platform';
import { waitFor } from '@solopo/testing';
import request from 'supertest';
import { beforeAll, describe, expect, it } from 'vitest';
import { gatewayConfigSchema } from '../gateway.config.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs, registerModel, type Registered } from '../testing/register.fixture.ts';
import { tinyModel } from '../testing/tiny-model.fixture.ts';

const BOTH = ['onnx', 'torch'] as const;
const gateway = useGateway({
  pools: [
    { name: 'datagen', app: 'datagen', engines: ['onnx'], ...ONE_RANK },
    { name: 'datagen-gpu', app: 'datagen', engines: ['torch'], ...ONE_RANK },
    { name: 'reward', app: 'reward', engines: [...BOTH], ...ONE_RANK },
    { name: 'trainer', app: 'trainer', engines: ['torch'], ...ONE_RANK },
  ],
});
let inputs: Registered;
beforeAll(async () => {
  inputs = await registerInputs(gateway.url);
});

const run = (changes: Partial<RunConfigInput>) =>
  request(gateway.url)
    .post('/v1/runs')
    .send({
      name: 'a run',
      model: 'tiny',
      dataset: 'questions',
      contexts: { long: { documents: 8 } },
      pairing: { heldOutPairs: 2 },
      training: { pairsPerStep: 4 },
      ...changes,
    });

describe('pools', () => {
  it('are told with their engines, and each engine has queues of its own', async () => {
    const system = (await request(gateway.url).get('/v1/system').expect(200)).body as SystemView;
    expect(system.pools.find(({ name }) => name === 'datagen-gpu')).toEqual({
      name: 'datagen-gpu',
      app: 'datagen',
      engines: ['torch'],
      ...ONE_RANK,
    });
    const queues = system.functions.filter(({ name }) => name === 'sample' || name === 'pair');
    expect(queues.map(({ subject, computedBy }) => [subject, computedBy])).toEqual([
      ['jobs.datagen.sample', 'onnx'],
      ['jobs.datagen.sample.torch', 'torch'],
      ['jobs.datagen.pair', null],
    ]);
  });

  it('take the jobs of runs by their engine: what a model computes waits in its queues, the rest where it did', async () => {
    const evaluation = { dataset: inputs.dataset.digest, documents: [2, 8], weights: 'int8' as const };
    const { body } = await run({ engine: 'torch', precision: 'bfloat16', evaluation }).expect(201);
    expect((body as RunView).warnings.find(({ kind }) => kind === 'exact-answers')).toMatchObject({
      count: 1,
      message: expect.stringMatching(
        /^PyTorch answers in the run's precision, bfloat16, .*evaluation\.weights \(int8\)/,
      ) as string,
    });
    await waitFor('an empty outbox', async () => (await gateway.ledger.outbox.backlog()).unpublished === 0);
    const manager = await jetstreamManager(gateway.connection);
    const { state } = await manager.streams.info(WORK, { subjects_filter: 'jobs.>' });
    expect(state.subjects).toEqual({ 'jobs.datagen.compose': 1, 'jobs.datagen.evaluate.torch': 2 });
    const system = (await request(gateway.url).get('/v1/system').expect(200)).body as SystemView;
    const waiting = system.functions.filter((queue) => queue.waiting > 0);
    expect(waiting.map(({ subject, waiting: jobs }) => [subject, jobs])).toEqual([
      ['jobs.datagen.compose', 1],
      ['jobs.datagen.evaluate.torch', 2],
    ]);
  });

  it('with PyTorch take models that onnxruntime has no graphs for, for runs by PyTorch alone', async () => {
    const files = tinyModel();
    const config = JSON.stringify({ ...(JSON.parse(String(files['config.json'])) as object), model_type: 'olmo2' });
    const registered = await registerModel(gateway.url, 'foreign', { ...files, 'config.json': config });
    expect([registered.status, registered.body]).toMatchObject([
      201,
      {
        family: 'olmo2',
        parameters: inputs.model.parameters,
        engines: ['torch'],
        warnings: [expect.stringMatching(/^Only runs with engine: torch can use it: config\.json: model_type "olmo2"/)],
      },
    ]);
    expect((await run({ model: 'foreign', engine: 'torch' }).expect(201)).body).toMatchObject({
      warnings: [{ kind: 'model', count: 1 }],
    });
    await registerModel(gateway.url, 'broken', {
      ...files,
      'config.json': config.replace(/"vocab_size":\d+/, '"vocab_size":3'),
    }).then(({ status, body }) => expect([status, (body as { code: string }).code]).toEqual([422, 'model-invalid']));
  });

  it('that lack an engine for one of the apps refuse its runs, and name the app', async () => {
    const { body } = await run({ engine: 'onnx' }).expect(422);
    expect((body as { detail: string }).detail).toMatch(/^engine is onnx, which no workers of trainer have/);
  });

  it('are read from the environment, and refused where they are none', () => {
    const env = {
      SOLOPO_DATABASE_URL: 'postgres://db/solopo',
      SOLOPO_NATS_URL: 'nats://n',
      SOLOPO_ARTIFACTS: '/tmp/a',
    };
    const load = (pools?: string) => loadConfig(gatewayConfigSchema, { ...env, SOLOPO_POOLS: pools });
    expect(load().pools.map(({ app, engines }) => [app, engines])).toEqual([
      ['datagen', ['onnx']],
      ['reward', ['onnx']],
      ['trainer', ['onnx']],
    ]);
    const given = [{ name: 'a', app: 'trainer', engines: [...BOTH] }];
    expect(load(JSON.stringify(given)).pools).toEqual(given.map((each) => ({ ...each, ...ONE_RANK })));
    for (const wrong of [
      'trainer',
      '{}',
      '[{"name":"a","app":"cook","engines":["onnx"]}]',
      '[{"name":"a","app":"trainer","engines":[]}]',
    ])
      expect(() => load(wrong), wrong).toThrow(SolopoError);
  });
});
