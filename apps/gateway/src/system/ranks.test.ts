import {
  ONE_RANK,
  runConfigSchema,
  type RankLayout,
  type RunConfigInput,
  type RunView,
  type SystemView,
} from '@solopo/contracts';
import type { App } from '@solopo/functions';
import { loadConfig } from '@solopo/platform';
import request from 'supertest';
import { beforeAll, describe, expect, it } from 'vitest';
import { gatewayConfigSchema, type GatewayConfig } from '../gateway.config.ts';
import { CreateRun } from '../runs/create-run.use-case.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs } from '../testing/register.fixture.ts';

type Pools = GatewayConfig['pools'];
const pool = (app: App, layout: Partial<RankLayout> = {}): Pools[number] => ({
  name: app,
  app,
  engines: ['onnx', 'torch'],
  ...ONE_RANK,
  ...layout,
});
const two = { ranks: 2, sequenceRanks: 2 };
const gateway = useGateway({ pools: [pool('datagen'), pool('reward', two), pool('trainer', { ...two, nodes: 3 })] });
beforeAll(() => registerInputs(gateway.url));

const config = (changes: Partial<RunConfigInput> = {}): RunConfigInput => ({
  name: 'a run',
  model: 'tiny',
  dataset: 'questions',
  engine: 'torch',
  contexts: { long: { documents: 8 } },
  ...changes,
});
const createWith = (pools: Pools, changes: Partial<RunConfigInput> = {}) =>
  new CreateRun(gateway.ledger, { ...gateway.config, pools }).execute(runConfigSchema.parse(config(changes)));

describe('pools of several ranks', () => {
  it('are told, and what a step does not fill of them is warned of', async () => {
    const system = (await request(gateway.url).get('/v1/system').expect(200)).body as SystemView;
    expect(system.pools.map(({ ranks, nodes, sequenceRanks }) => [ranks, nodes, sequenceRanks])).toEqual([
      [1, 1, 1],
      [2, 1, 2],
      [2, 3, 2],
    ]);
    const { body } = await request(gateway.url).post('/v1/runs').send(config()).expect(201);
    expect((body as RunView).warnings.filter(({ kind }) => kind === 'uneven-ranks')).toMatchObject([
      { count: 4, message: expect.stringContaining('a multiple of 3, such as 15 or 18') as string },
    ]);
  });

  it('refuse a model whose heads they cannot share', async () => {
    const made = createWith([pool('datagen'), pool('reward'), pool('trainer', { ranks: 4, sequenceRanks: 4 })]);
    await expect(made).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(
        /the model tiny has 2 attention heads, .* sequence ranks may be 1 or 2: start/,
      ) as string,
    });
  });

  it('draw no answers: a run whose answers nobody would draw is refused', async () => {
    const pools = [pool('datagen', { ranks: 2 }), pool('reward'), pool('trainer')];
    await expect(createWith(pools)).rejects.toMatchObject({
      code: 'config-invalid',
      message:
        'engine is torch, and all workers of datagen that have it compute over several ranks, which draw no answers (sample, evaluate), ' +
        'so that the run would wait for ever; give datagen a pool with torch and one rank, or set engine to onnx.',
    });
    expect((await createWith(pools, { engine: 'onnx' })).state).toBe('running');
    expect((await createWith([...pools, { ...pool('datagen'), name: 'more' }])).state).toBe('running');
  });

  it('inspect no pairs, and say who would', async () => {
    const { body } = await request(gateway.url).post('/v1/runs').send(config()).expect(201);
    const path = `/v1/runs/${(body as RunView).id}/pairs/${'0'.repeat(64)}/inspection`;
    const refused = await request(gateway.url).get(path).expect(409);
    expect(refused.body).toMatchObject({
      code: 'conflict',
      detail: expect.stringMatching(
        /compute over several ranks, .*have a pool of reward with torch and one rank/,
      ) as string,
    });
  });

  it('are read from the environment, with one rank where nothing is said', () => {
    const load = (given: object) =>
      loadConfig(gatewayConfigSchema, {
        SOLOPO_DATABASE_URL: 'postgres://db/solopo',
        SOLOPO_NATS_URL: 'nats://n',
        SOLOPO_ARTIFACTS: '/tmp/a',
        SOLOPO_POOLS: JSON.stringify([{ name: 'a', app: 'trainer', engines: ['torch'], ...given }]),
      }).pools[0];
    expect(load({})).toMatchObject(ONE_RANK);
    expect(load({ ranks: 8, nodes: 2, sequenceRanks: 4 })).toMatchObject({ ranks: 8, nodes: 2, sequenceRanks: 4 });
    expect(() => load({ ranks: 8, sequenceRanks: 3 })).toThrow(
      /SOLOPO_POOLS: sequenceRanks must divide .*: 1, 2, 4 or 8/,
    );
    expect(() => load({ ranks: 2, engines: ['onnx'] })).toThrow(
      /SOLOPO_POOLS: a pool of several ranks must have .*torch/,
    );
    expect(() => load({ ranks: 0 })).toThrow(/SOLOPO_POOLS/);
  });
});
