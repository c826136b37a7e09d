import { jetstreamManager } from '@nats-io/jetstream';
import { EventBus, WORK } from '@solopo/bus';
import { jobSchema, runConfigSchema, type RunConfigInput, type RunView } from '@solopo/contracts';
import { exampleLine, retrievalExamples } from '@solopo/corpus';
import { samplersSchema } from '@solopo/sampling-server';
import { waitFor } from '@solopo/testing';
import { failStage } from '@solopo/workflow';
import request from 'supertest';
import { beforeAll, describe, expect, it } from 'vitest';
import { readEvents } from '../testing/event-reader.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { importLines, registerInputs, type Registered } from '../testing/register.fixture.ts';

const gateway = useGateway({
  heartbeatMs: 200,
  outboxLimit: 50,
  samplers: samplersSchema.parse([{ url: 'http://vllm:8000' }]),
});
let inputs: Registered;

beforeAll(async () => {
  inputs = await registerInputs(gateway.url);
});

const config = (changes: Partial<RunConfigInput> = {}): RunConfigInput => ({
  name: 'a run',
  model: 'tiny',
  dataset: 'questions',
  contexts: { long: { documents: 8 } },
  pairing: { heldOutPairs: 2 },
  training: { pairsPerStep: 4 },
  ...changes,
});

async function createRun(changes: Partial<RunConfigInput> = {}): Promise<RunView> {
  const { body } = await request(gateway.url).post('/v1/runs').send(config(changes)).expect(201);
  return body as RunView;
}

const runsPath = (run: RunView, rest = ''): string => `/v1/runs/${run.id}${rest}`;

describe('a run', () => {
  it('is created with its first stages, whose jobs come to their queues', async () => {
    const evaluation = { dataset: inputs.dataset.digest, documents: [2, 8] };
    const response = await request(gateway.url)
      .post('/v1/runs')
      .send(config({ seed: 7, evaluation }))
      .expect(201);
    const run = response.body as RunView;
    expect(response.headers['location']).toBe(`/v1/runs/${run.id}`);
    expect(run).toMatchObject({
      state: 'running',
      step: 0,
      error: null,
      config: runConfigSchema.parse(config({ seed: 7, evaluation })),
    });
    expect(run.stages.map(({ kind }) => kind)).toEqual(['compose', 'evaluate', 'evaluate']);

    expect(run.warnings).toEqual([
      {
        kind: 'questions-in-both',
        count: 12,
        message: expect.stringMatching(/^12 of 12 evaluation questions are in the training data set/) as string,
      },
    ]);

    const manager = await jetstreamManager(gateway.connection);
    const compose = await waitFor('the job of compose', () =>
      manager.streams.getMessage(WORK, { last_by_subj: 'jobs.datagen.compose' }).then(
        (message) => message ?? undefined,
        () => undefined,
      ),
    );
    expect(jobSchema.parse(compose.json())).toMatchObject({ stage: run.stages[0]?.digest, chunk: 0 });
    await waitFor('an empty outbox', async () => (await gateway.ledger.outbox.backlog()).unpublished === 0);
    const { state } = await manager.streams.info(WORK, { subjects_filter: 'jobs.datagen.evaluate' });
    expect(state.subjects).toEqual({ 'jobs.datagen.evaluate': 2 });

    const { resolved } = await gateway.ledger.runs.require(run.id);
    expect(resolved).toEqual({
      model: inputs.model.digest,
      dataset: inputs.dataset.digest,
      evaluationDataset: inputs.dataset.digest,
    });
    const shown = await request(gateway.url).get(runsPath(run)).expect(200);
    expect(shown.body).toEqual(run);
  });

  it('tells of the questions alone that are asked twice', async () => {
    const other = [...retrievalExamples({ seed: 2, count: 4, documents: 8 })].map((example) => ({
      ...example,
      question: `Not asked elsewhere: ${example.id}`,
    }));
    const [same] = retrievalExamples({ seed: 1, count: 1, documents: 8 });
    const shouted = { ...same!, id: 'again', question: ` ${same!.question.toUpperCase()} ` };
    await importLines(gateway.url, { name: 'others' }, [...other, shouted].map(exampleLine).join('')).expect(201);
    const asked = (questions: number) => createRun({ evaluation: { dataset: 'others', documents: [2], questions } });
    expect((await asked(5)).warnings).toMatchObject([{ kind: 'questions-in-both', count: 1 }]);
    expect((await asked(4)).warnings).toEqual([]);
  });

  it('tells of held-out pairs that leave too few to train on', async () => {
    const warnings = async (heldOutPairs: number) => (await createRun({ pairing: { heldOutPairs } })).warnings;
    expect(await warnings(8)).toEqual([]);
    expect(await warnings(9)).toEqual([
      {
        kind: 'few-pairs',
        count: 3,
        message: expect.stringMatching(
          /^The data set has 12 examples, .*heldOutPairs \(9\).* 3 at most are left to train on, .*pairsPerStep \(4\)/,
        ) as string,
      },
    ]);
    expect(await warnings(64)).toMatchObject([
      { kind: 'few-pairs', count: 0, message: expect.stringMatching(/none is left to train on; lower/) as string },
    ]);
  });

  it('by an engine that no workers have is refused, with what to do', async () => {
    const { body } = await request(gateway.url)
      .post('/v1/runs')
      .send(config({ engine: 'torch' }))
      .expect(422);
    expect(body).toMatchObject({
      code: 'config-invalid',
      detail: expect.stringMatching(
        /^engine is torch, which no workers of datagen, reward, trainer have, .*run \.\/solopo engine add torch .* or set engine to onnx\.$/,
      ) as string,
    });
  });

  it('by a server that workers are not to ask is refused, and with weights that it does not round has a warning', async () => {
    const { body } = await request(gateway.url)
      .post('/v1/runs')
      .send(config({ sampler: { url: 'http://169.254.169.254/latest' } }))
      .expect(422);
    expect(body).toMatchObject({
      code: 'config-invalid',
      detail: expect.stringMatching(/^sampler.url is http:\/\/169.* \(SOLOPO_SAMPLERS: http:\/\/vllm:8000\)/) as string,
    });
    const run = await createRun({ sampler: { url: 'http://vllm:8000/v1' }, sampling: { weights: 'int8' } });
    expect(run.config.sampler).toEqual({ url: 'http://vllm:8000', adapters: 'none', check: 'logps' });
    expect(run.warnings).toMatchObject([
      {
        kind: 'exact-answers',
        count: 1,
        message: expect.stringContaining('whatever sampling.weights (int8) say') as string,
      },
    ]);
  });

  it('with contexts longer than the model tells of it, or is refused', async () => {
    const long = { maxTokens: 4090 };
    const [fits, beyond] = [
      await createRun({ contexts: { long }, sampling: { maxNewTokens: 6 } }),
      await createRun({ contexts: { long } }),
    ];
    expect(fits.warnings).toEqual([]);
    expect(beyond.warnings).toEqual([
      { kind: 'contexts-too-long', count: 58, message: expect.stringContaining('4096 positions') as string },
    ]);
    const { body } = await request(gateway.url)
      .post('/v1/runs')
      .send(config({ contexts: { long, beyondPositions: 'refuse' } }))
      .expect(422);
    expect(body).toMatchObject({ code: 'config-invalid', detail: expect.stringContaining('4096 positions') as string });
  });

  it('that does the same work as another shares its stages', async () => {
    const [first, second] = [await createRun({ seed: 1, arm: 'short' }), await createRun({ seed: 1, arm: 'solo' })];
    expect(second.id).not.toBe(first.id);
    expect(second.stages).toEqual(first.stages);
    const list = (await request(gateway.url).get('/v1/runs').query({ limit: 2 }).expect(200)).body as RunView[];
    expect(list.map(({ id }) => id)).toEqual([second.id, first.id]);
  });

  it('has all of its configuration, however long; a list has what tells runs apart', async () => {
    const system = 'x'.repeat(500_000);
    const run = await createRun({ seed: 6, prompt: { system }, adapter: { kind: 'lora', rank: 4 } });
    const { body } = await request(gateway.url).get(`/v1/runs/${run.id}`).expect(200);
    expect((body as RunView).config.prompt.system).toBe(system);
    const { text } = await request(gateway.url).get('/v1/runs').query({ limit: 1 }).expect(200);
    expect(text.length).toBeLessThan(20_000);
    const { config: _, ...rest } = run;
    expect(JSON.parse(text)).toMatchObject([
      {
        id: run.id,
        config: { name: 'a run', model: 'tiny', objective: { kind: 'dpo' }, adapter: { kind: 'lora', rank: 4 } },
        warnings: rest.warnings,
        stages: rest.stages,
      },
    ]);
  });

  it('that was cancelled has no stage that is still running', async () => {
    const [run, other] = [await createRun({ seed: 7 }), await createRun({ seed: 7 })];
    await request(gateway.url).post(`/v1/runs/${run.id}/cancel`).expect(200);
    const states = async (path: string) => {
      const { body } = await request(gateway.url).get(path).expect(200);
      return [body as RunView].flat()[0]?.stages.map(({ state }) => state);
    };
    expect(await states(`/v1/runs/${run.id}`)).toEqual(['cancelled']);
    expect(await states('/v1/runs?state=cancelled&limit=1')).toEqual(['cancelled']);
    expect(await states(`/v1/runs/${other.id}`)).toEqual(['pending']);
  });

  it.each<readonly [string, object, string]>([
    ['an unknown key', { learningRate: 1 }, 'learningRate'],
    ['an unknown key further down', { training: { momentum: 0.9 } }, 'training.momentum'],
    ['a value out of range', { training: { pairsPerStep: 0 } }, 'training.pairsPerStep'],
    ['a value of another type', { objective: { beta: '0.1' } }, 'objective.beta'],
    ['a value that is not one of the known', { arm: 'longest' }, 'arm'],
    ['an item out of range', { evaluation: { dataset: 'questions', documents: [4, 0] } }, 'evaluation.documents.1'],
    ['a context out of range', { contexts: { long: { documents: 0 } } }, 'contexts.long.documents'],
    ['a prompt that Postgres cannot hold', { prompt: { separator: '\0' } }, 'prompt.separator'],
  ])('whose configuration has %s is refused with its path', async (_, changes, path) => {
    const { body } = await request(gateway.url)
      .post('/v1/runs')
      .send({ ...config(), ...changes })
      .expect(422)
      .expect('content-type', /problem\+json/);
    expect(body).toMatchObject({
      code: 'config-invalid',
      errors: [{ path }],
      detail: expect.stringContaining(`${path}: `) as string,
    });
  });

  it('of a model or a data set that is not there is refused, and nothing of it stays', async () => {
    const before = await gateway.ledger.runs.summaries();
    const model = await request(gateway.url)
      .post('/v1/runs')
      .send(config({ model: 'nobody' }))
      .expect(404);
    expect(model.body).toMatchObject({
      code: 'not-found',
      detail: expect.stringContaining('no model nobody') as string,
    });
    const evaluation = { dataset: 'nothing', documents: [1] };
    const dataset = await request(gateway.url).post('/v1/runs').send(config({ evaluation })).expect(404);
    expect(dataset.body).toMatchObject({ code: 'not-found', detail: expect.stringContaining('nothing') as string });
    expect(await gateway.ledger.runs.summaries()).toEqual(before);
  });

  it('is cancelled once', async () => {
    const run = await createRun({ seed: 2 });
    const cancelled = await request(gateway.url).post(runsPath(run, '/cancel')).expect(200);
    expect(cancelled.body).toMatchObject({ id: run.id, state: 'cancelled', finishedAt: expect.any(String) as string });
    const again = await request(gateway.url).post(runsPath(run, '/cancel')).expect(409);
    expect(again.body).toMatchObject({ code: 'conflict' });
    await request(gateway.url).post('/v1/runs/nobody/cancel').expect(404);
  });

  it('shows its evidence', async () => {
    const run = await createRun({ seed: 3 });
    const [metrics, phaseSeconds] = [{ loss: 0.5 }, { forward: 1.5 }];
    const [one, two] = ['a'.repeat(64), 'b'.repeat(64)];
    await gateway.ledger.steps.append(run.id, [
      { step: 1, digest: one, previousDigest: '0'.repeat(64), pairDigests: [], metrics, engine: 'an engine' },
      { step: 2, digest: two, previousDigest: one, pairDigests: [], metrics, engine: 'an engine', phaseSeconds },
    ]);
    const get = async (rest: string): Promise<unknown> =>
      (await request(gateway.url).get(runsPath(run, rest)).expect(200)).body;
    expect(await get('/steps?after=1')).toEqual([{ step: 2, digest: two, metrics, phaseSeconds }]);
    expect(await get('/alignments')).toEqual([]);
    expect(await get('/evaluations')).toEqual([]);
    expect(await get('/pairs?limit=10&offset=5')).toEqual([]);
    const counts = await request(gateway.url).get('/v1/ledger/counts').expect(200);
    expect(counts.body).toMatchObject({ models: 1, datasets: 2, examples: 17, pairs: 0, steps: 2 });
  });

  it.each(['', '/steps', '/alignments', '/evaluations', '/pairs', '/events'])(
    'that is not there has nothing under %s',
    async (rest) => {
      const { body } = await request(gateway.url).get(`/v1/runs/nobody${rest}`).expect(404);
      expect(body).toMatchObject({ code: 'not-found' });
    },
  );

  it('is asked for with known parameters only', async () => {
    const run = await createRun({ seed: 3 });
    const { body } = await request(gateway.url).get(runsPath(run, '/pairs?limit=0&page=2')).expect(400);
    expect((body as { errors: { path: string }[] }).errors.map(({ path }) => path)).toEqual(['limit', 'page']);
    await request(gateway.url).get(runsPath(run, '/steps?after=x')).expect(400);
  });

  it('of more than a megabyte is refused', async () => {
    await request(gateway.url)
      .post('/v1/runs')
      .send(config({ prompt: { system: 'x'.repeat(2 ** 20) } }))
      .expect(413);
  });
});

describe('the events of a run', () => {
  it('are delivered as they come, to all who watch, and go on after the last one seen', async () => {
    const run = await createRun({ seed: 4 });
    const other = await createRun({ seed: 4 });
    const url = `${gateway.url}${runsPath(run, '/events')}`;
    const [first, second] = [await readEvents(url), await readEvents(url)];
    expect(first).toMatchObject({ status: 200, contentType: expect.stringMatching(/^text\/event-stream/) as string });
    await request(gateway.url).post(runsPath(other, '/cancel')).expect(200);
    const started = await first.count(1);
    expect(started[0]?.event).toMatchObject({ type: 'run.state', run: run.id, data: { state: 'running' } });
    first.close();

    const bus = new EventBus(gateway.connection);
    const step = (n: number) =>
      ({ type: 'run.step', run: run.id, at: new Date().toISOString(), data: { step: n } }) as const;
    for (const n of [1, 2, 3]) bus.publish(step(n));
    const seen = await second.count(4);
    expect(seen.map(({ event }) => event.data['step'])).toEqual([undefined, 1, 2, 3]);
    const ids = seen.map(({ id }) => id);
    const places = ids.map((id) => id.split('-').map(String));
    expect(new Set(places.map(([stream]) => stream)).size).toBe(1);
    const sequences = places.map(([, sequence]) => Number(sequence));
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));

    const resumed = await readEvents(url, seen[1]?.id);
    bus.publish(step(4));
    const rest = await resumed.count(3);
    expect(rest.map(({ event }) => event.data['step'])).toEqual([2, 3, 4]);
    await waitFor('a sign of life', () => resumed.comments.length > 0);
    expect(await second.count(5)).toHaveLength(5);
    second.close();
    resumed.close();
    await request(gateway.url).get(runsPath(run, '/events')).set('last-event-id', 'x').expect(400);
  });

  it('end with the process, and a client goes on at the next one', async () => {
    const run = await createRun({ seed: 5 });
    const reader = await readEvents(`${gateway.url}${runsPath(run, '/events')}`);
    const [started] = await reader.count(1);
    const before = performance.now();
    await gateway.restart();
    expect(performance.now() - before).toBeLessThan(2500);
    await waitFor('the stream to end', () => reader.ended);

    await request(gateway.url).post(runsPath(run, '/cancel')).expect(200);
    const resumed = await readEvents(`${gateway.url}${runsPath(run, '/events')}`, started?.id);
    const [cancelled] = await resumed.count(1);
    expect(cancelled?.event).toMatchObject({ type: 'run.state', data: { state: 'cancelled' } });
    resumed.close();
  });
});

describe('the gateway', () => {
  it('is ready with Postgres, its schema, NATS and the events', async () => {
    const { body } = await request(gateway.url).get('/readyz').expect(200);
    expect(body).toEqual({
      ready: true,
      checks: { postgres: 'ok', schema: 'ok', nats: 'ok', events: 'ok', artifacts: 'ok' },
      facts: { artifacts: 'a folder' },
    });
    await request(gateway.url).get('/healthz').expect(200);
    const metrics = await request(gateway.url).get('/metrics').expect(200);
    expect(metrics.text).toContain('route="/readyz",status="200"');
  });

  it('lists dead letters', async () => {
    const letter = {
      subject: 'jobs.datagen.sample',
      job: { id: 'x' },
      reason: 'It broke; mend it.',
      code: 'internal',
      attempts: 5,
    };
    await gateway.ledger.deadLetters.add(letter);
    const { body } = await request(gateway.url).get('/v1/dead-letters').expect(200);
    expect(body).toEqual([{ ...letter, id: 1, createdAt: expect.any(String) as string, retriedAt: null }]);
    expect((await request(gateway.url).get('/v1/dead-letters/1').expect(200)).body).toEqual((body as unknown[])[0]);
    await request(gateway.url).get('/v1/dead-letters/4711').expect(404);
  });

  it('sets the runs going again that failed because of a dead letter, once', async () => {
    const run = await createRun({ seed: 99 });
    const stage = run.stages[0]?.digest ?? '';
    const letter = {
      subject: 's',
      job: { id: 'j', stage, chunk: 0 },
      reason: 'It broke.',
      code: 'internal',
      attempts: 5,
    };
    await gateway.ledger.deadLetters.add(letter);
    const [{ id } = { id: 0 }] = await gateway.ledger.deadLetters.list(1);
    const early = await request(gateway.url).post(`/v1/dead-letters/${id}/retry`).expect(409);
    expect(early.body).toMatchObject({ detail: expect.stringContaining('No run is failed') });

    await gateway.ledger.transaction((tx) => failStage(tx, stage, letter.reason));
    const { body } = await request(gateway.url).post(`/v1/dead-letters/${id}/retry`).expect(200);
    expect(body).toEqual({ runs: [run.id] });
    const resumed = (await request(gateway.url).get(runsPath(run)).expect(200)).body as RunView;
    expect(resumed).toMatchObject({ state: 'running', error: null });
    await request(gateway.url).post(`/v1/dead-letters/${id}/retry`).expect(409);
    await request(gateway.url).post('/v1/dead-letters/4711/retry').expect(404);
    await request(gateway.url).post('/v1/dead-letters/x/retry').expect(400);
    const [retried] = (await request(gateway.url).get('/v1/dead-letters').expect(200)).body;
    expect(retried).toMatchObject({ id, retriedAt: expect.any(String) });
  });

  it('lists runs by state and page by page', async () => {
    const runs = [await createRun({ seed: 51 }), await createRun({ seed: 52 }), await createRun({ seed: 53 })];
    const [first, second, third] = runs.map(({ id }) => id) as [string, string, string];
    expect([third, second, first]).toEqual([first, second, third].sort().reverse());
    await request(gateway.url).post(`/v1/runs/${second}/cancel`).expect(200);
    const ids = async (query: object) => {
      const { body } = await request(gateway.url).get('/v1/runs').query(query).expect(200);
      return (body as RunView[]).map(({ id }) => id);
    };
    expect(await ids({ limit: 1 })).toEqual([third]);
    expect(await ids({ before: third, limit: 2 })).toEqual([second, first]);
    expect(await ids({ state: 'cancelled', limit: 1 })).toEqual([second]);
    expect(await ids({ state: 'running', before: third, limit: 1 })).toEqual([first]);
    await request(gateway.url).get('/v1/runs').query({ state: 'sleeping' }).expect(400);
  });

  it('takes no runs while the outbox is full', async () => {
    const stuck = Array.from({ length: 50 }, (_, n) => ({ subject: 'nowhere', messageId: `stuck ${n}`, payload: n }));
    await gateway.ledger.outbox.add(stuck);
    const { body, headers } = await request(gateway.url).post('/v1/runs').send(config()).expect(503);
    expect(body).toMatchObject({ code: 'queue-full' });
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });
});
