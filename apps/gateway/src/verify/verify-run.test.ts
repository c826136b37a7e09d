import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunView, Verification } from '@solopo/contracts';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { finishRun as finish, type MadeUp } from '../testing/finish-run.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';
import { registerInputs } from '../testing/register.fixture.ts';
import { Tamperer } from '../testing/tamper.fixture.ts';

const gateway = useGateway();

const CONFIG = {
  name: 'a run',
  model: 'tiny',
  dataset: 'questions',
  contexts: { long: { documents: 4 } },
  sampling: { samplesPerContext: 3 },
  pairing: { heldOutPairs: 2 },
  training: { pairsPerStep: 2, stepsPerSlice: 2 },
  evaluation: { dataset: 'questions', documents: [2, 4] },
};

const GOOD = [
  'model',
  'data set',
  'evaluation data set',
  'configuration',
  'contexts',
  'samples',
  'pairs',
  'scores',
  'answers',
  'steps',
  'checkpoints',
  'policies',
  'run',
  'state',
  'figures',
  'artifacts',
];

/** With a sample of each example that no pair takes. */
async function finishRun(of: typeof gateway, run: string, madeUp: MadeUp = {}): Promise<void> {
  await finish(of, run, { ...madeUp, spare: true });
}

async function createRun(changes: object = {}): Promise<string> {
  const { body } = await request(gateway.url)
    .post('/v1/runs')
    .send({ ...CONFIG, ...changes })
    .expect(201);
  return (body as RunView).id;
}

async function verify(run: string): Promise<Verification> {
  return (await request(gateway.url).get(`/v1/runs/${run}/verify`).expect(200)).body as Verification;
}

describe('a run that nobody touched', () => {
  beforeAll(() => registerInputs(gateway.url));

  it.each([
    ['solo', {}],
    ['short', { arm: 'short' }],
    ['expand-long', { arm: 'expand-long' }],
    ['solo with a reference per context', { alignment: { reference: 'per-context' } }],
    ['a few epochs that end early', { training: { ...CONFIG.training, epochs: 3, maxSteps: 7 } }],
  ])('is found whole: %s', async (_, changes) => {
    const run = await createRun(changes);
    await finishRun(gateway, run);
    const { ok, checks } = await verify(run);
    expect(checks.filter((check) => !check.ok)).toEqual([]);
    expect(ok).toBe(true);
    expect(checks.map(({ name }) => name)).toEqual(GOOD);
  });

  it('is found whole as far as it has come', async () => {
    const run = await createRun({ seed: 7 });
    expect(await verify(run)).toMatchObject({ ok: true });
  });

  it('is found whole when it was cancelled', async () => {
    const run = await createRun({ seed: 8 });
    await request(gateway.url).post(`/v1/runs/${run}/cancel`).expect(200);
    expect(await verify(run)).toMatchObject({ ok: true });
  });

  it('must be there', async () => {
    await request(gateway.url).get('/v1/runs/none/verify').expect(404);
  });
});

describe('a run that another engine trained than scored', () => {
  const TRAINER = 'another engine';
  let run: string;
  let tamperer: Tamperer;
  beforeAll(async () => {
    run = await createRun({ seed: 11, alignment: { reference: 'per-context' } });
    await finishRun(gateway, run, { trainer: TRAINER });
    tamperer = await Tamperer.connect(gateway.config.databaseUrl);
  });
  afterEach(() => tamperer.restore());
  afterAll(() => tamperer.close());

  const rescored = `engine = '${TRAINER}' and stage in (select stage from run_stages where run = 'RUN')`;
  const one = `${rescored} and position = 6 and context = 'short' and response = 'chosen'`;
  const checkOf = async (name: string) => (await verify(run)).checks.find((check) => check.name === name);

  it('is found whole, with the scores of both', async () => {
    expect(await verify(run)).toMatchObject({ ok: true });
    expect((await checkOf('scores'))?.detail).toMatch(/^\d+ scores by 2 engines$/);
    const view = await gateway.ledger.runs.view(run);
    const train = view.stages.find(({ kind }) => kind === 'train');
    // Three rows of each of the ten pairs.
    expect(train?.result).toMatchObject({ rescored: 30 });
  });

  it.each([
    [
      'the sum of a score',
      `update scores set sum = sum - 1 where ${one}`,
      'scores',
      / by the engine "another engine" /,
    ],
    ['a log-probability', `update scores set logps = set_byte(logps, 2, 1) where ${one}`, 'scores', /was altered/],
    [
      'a lost score',
      `delete from scores where ${one}`,
      'steps',
      /^the score shortChosen of example 6, which step \d read as the engine "another engine" made it, is lost; /,
    ],
    ['every score of the engine', `delete from scores where ${rescored}`, 'steps', /; and \d+ more$/],
    [
      'the score of the other engine in its place',
      `update scores own set logps = o.logps, sum = o.sum from scores o where ${one.replaceAll(/\b(engine|stage|position|context|response) (=|in)/g, 'own.$1 $2')} and (o.stage, o.position, o.context, o.response) = (own.stage, own.position, own.context, own.response) and o.engine <> own.engine`,
      'steps',
      /does not have its digest/,
    ],
    [
      'the first score, which no step read',
      `update scores set sum = sum - 1 where ${one.replace('engine =', 'engine <>')}`,
      'scores',
      / by the engine "a fake engine" was altered$/,
    ],
  ])('is found out: %s', async (_, sql, name, detail) => {
    expect(await tamperer.change(sql.replaceAll('RUN', run))).toBeGreaterThan(0);
    expect(await checkOf(name)).toMatchObject({ ok: false, detail: expect.stringMatching(detail) as string });
  });

  it('is found whole without them, when it is from before scores were kept by engine', async () => {
    const old = await createRun({ seed: 12 });
    await finishRun(gateway, old);
    await tamperer.change(
      `update scores set engine = 'the engine of then' where stage in (select stage from run_stages where run = '${old}')`,
    );
    expect(await verify(old)).toMatchObject({ ok: false });
    await tamperer.change(
      `update stages set result = result - 'rescored' where kind = 'train' and spec->>'run' = '${old}'`,
    );
    expect(await verify(old)).toMatchObject({ ok: true });
  });
});

describe('a run of an earlier version', () => {
  let run: string;
  let tamperer: Tamperer;
  beforeAll(async () => {
    run = await createRun({ seed: 21 });
    await finishRun(gateway, run, { withoutState: true });
    tamperer = await Tamperer.connect(gateway.config.databaseUrl);
    const own = `stage in (select stage from run_stages where run = '${run}')`;
    for (const table of ['samples', 'alignment_metrics', 'evaluations'])
      expect(await tamperer.change(`update ${table} set digest = null where ${own}`)).toBeGreaterThan(0);
  });
  afterAll(() => tamperer.close());

  it('is found whole, and what nothing covers is said', async () => {
    const { ok, checks } = await verify(run);
    expect(checks.filter((check) => !check.ok)).toEqual([]);
    expect(ok).toBe(true);
    const details = Object.fromEntries(checks.map(({ name, detail }) => [name, detail]));
    expect(details).toMatchObject({
      answers:
        '36 samples, 36 judgements; not covered: 36 of the samples, with their judgements, were recorded before rows had a digest',
      checkpoints:
        "3 checkpoints; not covered: the optimiser's state of 3, which were recorded before it was in the chain",
      figures: expect.stringMatching(/not covered: \d+ rows of them were recorded before/) as string,
    });
  });

  it('is held to what there is: no sample more or less', async () => {
    const one = `position = 5 and sample_index = 2 and stage in (select stage from run_stages where run = '${run}')`;
    expect(await tamperer.change(`delete from samples where ${one}`)).toBe(1);
    const found = (await verify(run)).checks.find(({ name }) => name === 'answers');
    expect(found?.detail).toMatch(
      /^samples of example 5 were added or lost: there are 2; 1 judgements are of no sample$/,
    );
  });
});

describe('a run whose artifacts somebody touched', () => {
  let run: string;
  let weights: string;
  beforeAll(async () => {
    run = await createRun({ seed: 31 });
    await finishRun(gateway, run);
    weights = (await gateway.ledger.models.require('tiny')).files['model.safetensors'] ?? '';
  });

  const policy = async () => (await gateway.ledger.versions.list(run))[0]?.digest ?? '';
  const state = async () => (await gateway.ledger.checkpoints.list(run))[1]?.digest ?? '';
  const flip = async (path: string, content: Buffer) => {
    const altered = Buffer.from(content);
    altered[altered.length - 1]! ^= 1;
    await writeFile(path, altered);
  };
  const tear = (path: string, content: Buffer) => writeFile(path, content.subarray(0, content.length / 2));

  it.each<readonly [string, () => Promise<string>, (path: string, content: Buffer) => Promise<void>, RegExp]>([
    [
      'a byte of the base',
      () => Promise.resolve(weights),
      flip,
      /^model\.safetensors of the model tiny: .* is damaged; /,
    ],
    ['a byte of a policy', policy, flip, /^the policy of step 2: .* is damaged; restore it from a backup/],
    ['a lost policy', policy, (path) => rm(path), /^the policy of step 2: There is no artifact /],
    ['a torn state of the optimiser', state, tear, /^the optimiser's state after step 4: .* is damaged/],
    ['a lost state of the optimiser', state, (path) => rm(path), /^the optimiser's state after step 4: There is no /],
  ])('is found out: %s', async (_, digestOf, touch, detail) => {
    const digest = await digestOf();
    const path = join(gateway.config.artifacts, 'content', digest.slice(0, 2), digest);
    const content = await readFile(path);
    try {
      await chmod(path, 0o644);
      await touch(path, content);
      const { ok, checks } = await verify(run);
      expect(ok).toBe(false);
      expect(checks.filter((check) => !check.ok)).toEqual([
        { name: 'artifacts', ok: false, detail: expect.stringMatching(detail) as string },
      ]);
    } finally {
      await writeFile(path, content);
    }
    expect(await verify(run)).toMatchObject({ ok: true });
  });
});

describe('a run that somebody with all rights in the database touched', () => {
  let run: string;
  let tamperer: Tamperer;
  beforeAll(async () => {
    run = await createRun({ seed: 3 });
    await finishRun(gateway, run);
    tamperer = await Tamperer.connect(gateway.config.databaseUrl);
  });
  afterEach(() => tamperer.restore());
  afterAll(() => tamperer.close());

  const pairs = `stage = (select digest from stages join run_stages on stage = digest where run = 'RUN' and kind = 'pair')`;
  const trained = `${pairs} and not held_out`;
  const sampled = `stage = (select digest from stages join run_stages on stage = digest where run = 'RUN' and kind = 'sample')`;
  const other = `(select digest from pairs where ${trained} and ordinal = 1)`;

  it.each([
    ['a file of the model', `update models set files = files || '{"config.json": "${'0'.repeat(64)}"}'`, 'model'],
    [
      'an example',
      `update examples set content = jsonb_set(content::jsonb, '{answers,0}', '"x"')::json where position = 3`,
      'data set',
    ],
    ['an example with its digest', `update examples set digest = repeat('0', 64) where position = 3`, 'data set'],
    ['a lost example', `delete from examples where position = 3`, 'data set'],
    [
      'two swapped examples',
      `update examples a set digest = b.digest, content = b.content from examples b where a.dataset = b.dataset and (a.position, b.position) in ((3, 4), (4, 3))`,
      'data set',
    ],
    [
      'the configuration',
      `update runs set config = jsonb_set(config, '{objective,beta}', '0.2') where id = 'RUN'`,
      'configuration',
    ],
    ['the seed', `update runs set config = jsonb_set(config, '{seed}', '4') where id = 'RUN'`, 'configuration'],
    [
      'the specification of a stage',
      `update stages set spec = jsonb_set(spec, '{seed}', '4') where kind = 'train' and spec->>'run' = 'RUN'`,
      'configuration',
    ],
    ['a lost stage', `delete from run_stages where run = 'RUN' and label = 'pair'`, 'configuration'],
    [
      'the tokens of a context',
      `update contexts set tokens = set_byte(tokens, 0, 9) where digest = (select short_context from pairs where ${trained} and ordinal = 2)`,
      'contexts',
    ],
    [
      'the evidence of a context',
      `update contexts set evidence = '[]' where digest = (select long_context from pairs where ${trained} and ordinal = 2)`,
      'contexts',
    ],
    [
      'a lost context',
      `delete from contexts where digest = (select long_context from pairs where ${trained} and ordinal = 2)`,
      'contexts',
    ],
    ['a lost assignment of contexts', `delete from stage_contexts where position = 5`, 'contexts'],
    ['a sample', `update samples set tokens = set_byte(tokens, 0, 9) where position = 5`, 'samples'],
    ['a lost sample', `delete from samples where position = 5 and sample_index = 1`, 'samples'],
    ['a judgement', `update judgements set correct = not correct where position = 5 and sample_index = 1`, 'samples'],
    ['a lost judgement', `delete from judgements where position = 5 and sample_index = 0`, 'samples'],
    ['the text of a sample', `update samples set text = 'x' where position = 5 and sample_index = 2`, 'answers'],
    [
      'the tokens of a sample that no pair took',
      `update samples set tokens = set_byte(tokens, 0, 9) where position = 5 and sample_index = 2`,
      'answers',
    ],
    [
      'the log-probability of a sample',
      `update samples set logp = logp - 1 where position = 5 and sample_index = 0`,
      'answers',
    ],
    ['the end of a sample', `update samples set finish = 'length' where position = 5 and sample_index = 0`, 'answers'],
    [
      'two swapped samples',
      `update samples a set tokens = b.tokens, text = b.text, digest = b.digest from samples b where a.stage = b.stage and a.${sampled} and a.position = 5 and b.position = 5 and (a.sample_index, b.sample_index) in ((1, 2), (2, 1))`,
      'answers',
    ],
    [
      'a lost sample that no pair took',
      `delete from samples where ${sampled} and position = 5 and sample_index = 2`,
      'answers',
    ],
    [
      'an added sample',
      `insert into samples select stage, position, 3, tokens, text, finish, logp, null from samples where ${sampled} and position = 5 and sample_index = 2`,
      'answers',
    ],
    [
      'samples of an example that there is not',
      `insert into samples select stage, 999, sample_index, tokens, text, finish, logp, null from samples where ${sampled} and position = 5`,
      'answers',
    ],
    [
      'a judgement of a sample that no pair took',
      `update judgements set correct = true where ${pairs} and position = 5 and sample_index = 2`,
      'answers',
    ],
    [
      'who judged',
      `update judgements set judge = 'exact' where ${pairs} and position = 5 and sample_index = 2`,
      'answers',
    ],
    [
      'an added judgement in place of a lost one',
      `update judgements set sample_index = 7 where ${pairs} and position = 5 and sample_index = 2`,
      'answers',
    ],
    [
      'added contexts of an example that there is not',
      `insert into stage_contexts select stage, 999, short, long, refused from stage_contexts where position = 5 and stage in (select stage from run_stages where run = 'RUN')`,
      'answers',
    ],
    [
      'the shown text of a chosen response',
      `update pairs set chosen_text = 'x' where ${trained} and ordinal = 2`,
      'pairs',
    ],
    [
      'the shown text of a rejected response',
      `update pairs set rejected_text = '' where ${pairs} and held_out and ordinal = 1`,
      'pairs',
    ],
    [
      'the count of the tokens of a context',
      `update contexts set token_count = token_count + 1 where digest = (select long_context from pairs where ${trained} and ordinal = 2)`,
      'contexts',
    ],
    [
      'the count of the tokens of a score',
      `update scores set tokens = tokens + 1 where ${pairs} and position = 6`,
      'scores',
    ],
    ['a chosen response', `update pairs set chosen = set_byte(chosen, 0, 9) where ${trained} and ordinal = 2`, 'pairs'],
    [
      'a held-out response',
      `update pairs set rejected = set_byte(rejected, 0, 9) where ${pairs} and held_out and ordinal = 1`,
      'pairs',
    ],
    ['the digest of a pair', `update pairs set digest = repeat('0', 64) where ${trained} and ordinal = 2`, 'pairs'],
    ['a lost training pair', `delete from pairs where ${trained} and ordinal = 9`, 'pairs'],
    ['a lost held-out pair', `delete from pairs where ${pairs} and held_out and ordinal = 1`, 'pairs'],
    ['two swapped pairs', `update pairs set ordinal = 19 - ordinal where ${trained} and ordinal in (9, 10)`, 'pairs'],
    [
      'the order of the pairs',
      `update pairs set ordinal = 100 + ordinal where ${trained}; update pairs set ordinal = 109 - ordinal where ${trained}`,
      'steps',
    ],
    [
      'the sum of a score',
      `update scores set sum = sum - 1 where ${pairs} and position = 6 and response = 'chosen'`,
      'scores',
    ],
    ['a log-probability', `update scores set logps = set_byte(logps, 2, 1) where ${pairs} and position = 6`, 'scores'],
    ['a lost score', `delete from scores where ${pairs} and position = 6 and response = 'rejected'`, 'scores'],
    ['a lost held-out score', `delete from scores where ${pairs} and position = 0 and context = 'long'`, 'scores'],
    [
      'two swapped scores',
      `update scores a set logps = b.logps, sum = b.sum, tokens = b.tokens from scores b where a.stage = b.stage and a.context = b.context and a.response = b.response and a.stage in (select stage from run_stages where run = 'RUN') and (a.position, b.position) in ((6, 7), (7, 6))`,
      'steps',
    ],
    ['a metric', `update steps set metrics = '{"loss": 0.1}' where run = 'RUN' and step = 4`, 'steps'],
    ['the pairs of a step', `update steps set pair_digests[1] = ${other} where run = 'RUN' and step = 4`, 'steps'],
    ['the engine of a step', `update steps set engine = 'another' where run = 'RUN' and step = 4`, 'steps'],
    ['a lost engine', `update steps set engine = null where run = 'RUN' and step = 4`, 'steps'],
    ['a digest of a step', `update steps set digest = repeat('0', 64) where run = 'RUN' and step = 4`, 'steps'],
    [
      'a link of the chain',
      `update steps set previous_digest = repeat('0', 64) where run = 'RUN' and step = 4`,
      'steps',
    ],
    ['a lost step', `delete from steps where run = 'RUN' and step = 3`, 'steps'],
    ['a lost last step', `delete from steps where run = 'RUN' and step = 5`, 'run'],
    [
      'two swapped steps',
      `update steps a set metrics = b.metrics, pair_digests = b.pair_digests from steps b where a.run = b.run and a.run = 'RUN' and (a.step, b.step) in ((1, 3), (3, 1))`,
      'steps',
    ],
    [
      'the parameters of a checkpoint',
      `update checkpoints set parameters_digest = repeat('0', 64) where run = 'RUN' and step = 2`,
      'steps',
    ],
    [
      "the optimiser's state of a checkpoint",
      `update checkpoints set digest = (select digest from checkpoints where run = 'RUN' and step = 4) where run = 'RUN' and step = 2`,
      'steps',
    ],
    ['a lost checkpoint', `delete from checkpoints where run = 'RUN' and step = 2`, 'checkpoints'],
    [
      'the weights of a policy',
      `update policy_versions set digest = repeat('0', 64) where run = 'RUN' and step = 4`,
      'policies',
    ],
    [
      'the head that a policy names',
      `update policy_versions set chain_head = repeat('0', 64) where run = 'RUN' and step = 4`,
      'policies',
    ],
    ['a lost policy', `delete from policy_versions where run = 'RUN' and step = 2`, 'policies'],
    ['the head of the run', `update runs set chain_head = repeat('0', 64) where id = 'RUN'`, 'run'],
    ['the policy of the run', `update runs set policy_digest = repeat('0', 64) where id = 'RUN'`, 'run'],
    [
      'the policy of an alignment',
      `update alignment_metrics set policy = repeat('0', 64) where run = 'RUN' and step = 2`,
      'figures',
    ],
    [
      'a metric of an alignment',
      `update alignment_metrics set metrics = '{"gap": 0.1}' where run = 'RUN' and step = 2`,
      'figures',
    ],
    [
      'what an alignment says of its pairs',
      `update alignment_metrics set details = '[1]' where run = 'RUN' and step = 2`,
      'figures',
    ],
    ['a lost alignment', `delete from alignment_metrics where run = 'RUN' and step = 2`, 'figures'],
    [
      'the outcomes of an evaluation',
      `update evaluations set outcomes = reverse(outcomes) where documents = 4`,
      'figures',
    ],
    ['the tokens of an evaluation', `update evaluations set tokens = tokens - 1 where documents = 4`, 'figures'],
    ['a run that says it was cancelled', `update runs set state = 'cancelled' where id = 'RUN'`, 'state'],
    ['a run that says it failed', `update runs set state = 'failed', error = 'It failed.' where id = 'RUN'`, 'state'],
    ['a run that says it goes on', `update runs set state = 'running', finished_at = null where id = 'RUN'`, 'state'],
    ['a run that succeeded with an error', `update runs set error = 'It failed.' where id = 'RUN'`, 'state'],
    ['a run that never ended', `update runs set finished_at = null where id = 'RUN'`, 'state'],
    ['the steps that a run plans', `update runs set steps = steps + 1 where id = 'RUN'`, 'state'],
    [
      'a stage that says it goes on',
      `update stages set state = 'running' where kind = 'align' and digest in (select stage from run_stages where run = 'RUN')`,
      'state',
    ],
    [
      'the counts of the pairs',
      `update stages set result = null where kind = 'pair' and digest in (select stage from run_stages where run = 'RUN')`,
      'pairs',
    ],
    ['a lost model', `delete from models`, 'model'],
    ['a lost data set', `delete from datasets`, 'data set'],
    ['the content of an example', `update examples set content = 'null' where position = 3`, 'data set'],
    ['the specifications of stages', `update stages set spec = '{}'`, 'configuration'],
    ['the count of an evaluation', `update evaluations set correct = correct + 1`, 'figures'],
    ['a lost evaluation', `delete from evaluations where documents = 4`, 'figures'],
  ])('is found out: %s', async (_, sql, name) => {
    const changed = await tamperer.change(sql.replaceAll('RUN', run));
    expect(changed).toBeGreaterThan(0);
    const { ok, checks } = await verify(run);
    expect(ok).toBe(false);
    const found = checks.find((check) => check.name === name);
    expect(found, JSON.stringify(checks, null, 1)).toMatchObject({ ok: false });
  });

  it.each([
    [
      `update steps set metrics = '{"loss": 0.1}' where run = 'RUN' and step = 4`,
      'steps',
      /^step 4 does not have its digest: /,
    ],
    [
      `delete from scores where ${pairs} and position = 6 and response = 'rejected'`,
      'scores',
      /^a short score of example 6 is lost$/,
    ],
    [
      `update samples set tokens = set_byte(tokens, 0, 9) where position = 5 and sample_index = 1`,
      'samples',
      /^the rejected response of example 5 is not its sample 1$/,
    ],
    [
      `update pairs set chosen = set_byte(chosen, 0, 9) where ${trained} and ordinal = 2`,
      'pairs',
      /^the pair of example 4 was altered$/,
    ],
    [`update scores set sum = 0 where ${pairs}`, 'scores', /; and \d+ more$/],
  ])('is told by name: %s', async (sql, name, detail) => {
    await tamperer.change(sql.replaceAll('RUN', run));
    const { checks } = await verify(run);
    expect(checks.find((check) => check.name === name)?.detail).toMatch(detail);
  });

  it('is whole when everything is as it was', async () => {
    expect(await verify(run)).toMatchObject({ ok: true });
  });
});
