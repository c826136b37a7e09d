import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleLine, RETRIEVAL_VOCABULARY, retrievalExamples } from '@solopo/corpus';
import { formatModelConfig, readModelFolder, writeSafetensors } from '@solopo/lm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '@solopo/testing';
import type {
  AlignmentView,
  EvaluationView,
  Inspection,
  PairDetails,
  PairView,
  ReplayView,
  RunView,
  StepView,
} from '@solopo/contracts';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { DATA, System } from './system.ts';

let system: System;
beforeAll(async () => {
  system = await System.start();
  await prepareRetrieval(system);
}, 60_000);
afterAll(() => system.close());

describe('three arms through the real services', () => {
  test('share what they have in common, and each ends with a policy', async () => {
    system.startWorkers('datagen', 'reward', 'trainer');
    const created = [];
    for (const arm of ['short', 'expand-long', 'solo'] as const)
      created.push(await system.createRun(retrievalRun({ name: arm, arm })));
    const runs = [];
    for (const { id } of created) runs.push(await system.finished(id));
    expect(runs.map(({ state, error }) => [state, error])).toEqual(runs.map(() => ['succeeded', null]));
    for (const kind of ['compose', 'sample', 'pair'])
      expect(new Set(runs.map((run) => run.stages.find((stage) => stage.kind === kind)?.digest)).size).toBe(1);
    expect(new Set(runs.map(({ policyDigest }) => policyDigest)).size).toBe(3);

    const pairs = runs[0]?.pairs as number;
    const counts = await system.ledger.counts();
    expect(counts).toMatchObject({
      stage_contexts: 100,
      samples: 800,
      judgements: 800,
      pairs: pairs + 8,
      steps: 12,
      checkpoints: 6,
      policy_versions: 6,
    });
    // Training pairs under short and under long contexts, held-out pairs under both; two responses each.
    expect(counts.scores).toBe(2 * (2 * pairs + 2 * 8));
    // Base and two versions of each arm.
    expect(counts.alignment_metrics).toBe(9);
    // Base shared, three policies, two lengths.
    expect(counts.evaluations).toBe(8);
  }, 90_000);

  test('at step 1 DPO has loss ln 2 and rewards 0, as the API shows', async () => {
    const { body: runs } = await system.api.get('/v1/runs').expect(200);
    for (const { id, config } of runs as { id: string; config: { arm: string } }[]) {
      const { body } = await system.api.get(`/v1/runs/${id}/steps`).expect(200);
      const steps = body as StepView[];
      expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
      const first = steps[0]!.metrics;
      expect(first['solo/loss_po']).toBeCloseTo(Math.LN2, 5);
      expect(first['rewards/chosen']).toBeCloseTo(0, 5);
      expect(first['rewards/rejected']).toBeCloseTo(0, 5);
      if (config.arm === 'solo') expect(first['loss']).toBeCloseTo(Math.LN2 + first['solo/loss_ra']!, 5);
      else expect(first['loss']).toBeCloseTo(Math.LN2, 5);
    }
  });

  test('each step says where its time went; a slice of two loads before its first and saves after its last', async () => {
    const { body: runs } = await system.api.get('/v1/runs').expect(200);
    for (const { id } of runs as RunView[]) {
      const steps = (await system.api.get(`/v1/runs/${id}/steps`).expect(200)).body as StepView[];
      const phases = steps.map(({ phaseSeconds }) => new Set(Object.keys(phaseSeconds!)));
      for (const step of phases)
        expect([...step]).toEqual(expect.arrayContaining(['data', 'forward', 'loss', 'backward', 'optimizer']));
      const have = (phase: string) => phases.map((step) => step.has(phase));
      expect([have('load'), have('reference')]).toEqual(Array(2).fill([true, false, true, false]));
      expect(have('checkpoint')).toEqual([false, true, false, true]);
    }
  });

  test('alignment metrics and evaluations of every version are there', async () => {
    const { body: runs } = await system.api.get('/v1/runs').expect(200);
    for (const { id } of runs as { id: string }[]) {
      const alignments = (await system.api.get(`/v1/runs/${id}/alignments`).expect(200)).body as AlignmentView[];
      expect(alignments.map(({ step }) => step)).toEqual([0, 2, 4]);
      expect(alignments[0]?.metrics['eval_rewards/margins']).toBe(0);
      expect(alignments[2]?.metrics['solo/bound_slack']).toBeGreaterThanOrEqual(-1e-9);
      const evaluations = (await system.api.get(`/v1/runs/${id}/evaluations`).expect(200)).body as EvaluationView[];
      expect(evaluations.map(({ step, documents, n }) => [step, documents, n])).toEqual([
        ['base', 4, 40],
        ['base', 8, 40],
        [4, 4, 40],
        [4, 8, 40],
      ]);
      for (const { outcomes, correct } of evaluations) expect(outcomes.replaceAll('0', '').length).toBe(correct);
    }
  });

  test('the reward service shows a pair under the base and the policy, and where each layer looked', async () => {
    const runs = (await system.api.get('/v1/runs').expect(200)).body as RunView[];
    const solo = runs.find(({ config }) => config.name === 'solo')!;
    const [pair] = (await system.api.get(`/v1/runs/${solo.id}/pairs?limit=1`).expect(200)).body as PairView[];
    const path = `/v1/runs/${solo.id}/pairs/${pair!.digest}`;
    const { responses } = (await system.api.get(path).expect(200)).body as PairDetails;
    const inspect = async (step: number) =>
      (await system.api.get(`${path}/inspection?step=${step}`).expect(200)).body as Inspection;
    const [base, policy] = [await inspect(0), await inspect(4)];
    // The base is the reference, whose scores the ledger keeps.
    expect(base.short.chosen.logps).toEqual(
      responses.chosen.logps.short!.map((logp) => expect.closeTo(logp, 4) as number),
    );
    expect(policy.policy).toBe(solo.policyDigest);
    expect(policy.long.chosen.logps).not.toEqual(base.long.chosen.logps);
    for (const shown of [base.short.chosen, base.long.rejected, policy.short.rejected, policy.long.chosen]) {
      const { attention } = shown!;
      expect(attention).toHaveLength(3);
      for (const { evidence, rest, response } of attention) expect(evidence + rest + response).toBeCloseTo(1, 4);
    }
    await system.api.get(`${path}/inspection?step=3`).expect(404);
  });

  test('an identical run trains again and ends with the same chain head', async () => {
    const before = await system.ledger.counts();
    const { id } = await system.createRun(retrievalRun({ name: 'again' }));
    const again = await system.finished(id);
    const { body: runs } = await system.api.get('/v1/runs').expect(200);
    const first = (runs as { config: { name: string }; chainHead: string }[]).find(
      ({ config }) => config.name === 'solo',
    );
    expect(again.chainHead).toBe(first?.chainHead);
    expect(await system.ledger.counts()).toMatchObject({
      samples: before.samples,
      scores: before.scores,
      steps: before.steps + 4,
    });
  }, 60_000);
});

describe('a replay', () => {
  test('of every slice, by the trainer, comes to what was recorded, and changes nothing of the run', async () => {
    const [{ id } = { id: '' }] = (await system.api.get('/v1/runs').expect(200)).body as RunView[];
    const before = await system.ledger.counts();
    const { body } = await system.api.post(`/v1/runs/${id}/replays`).send({ slices: 9, seed: 1 }).expect(201);
    const path = `/v1/runs/${id}/replays/${(body as ReplayView).id}`;
    const ended = await waitFor(
      'the replay',
      async () => {
        const replay = (await system.api.get(path).expect(200)).body as ReplayView;
        return replay.state === 'done' || replay.state === 'failed' ? replay : undefined;
      },
      60_000,
    );
    expect(ended).toMatchObject({ state: 'done', ok: true, slices: [0, 1] });
    expect(ended.replayed.map(({ outcome }) => outcome)).toEqual(['equal', 'equal']);
    expect(await system.ledger.counts()).toEqual(before);
    expect((await system.api.get(`/v1/runs/${id}/verify`).expect(200)).body).toMatchObject({ ok: true });
  }, 90_000);
});

/** What of a consumer nobody has taken yet, as the server tells a scaler. */
async function pending(consumer: string): Promise<number | undefined> {
  const answer = await fetch(`${system.nats.monitorUrl}/jsz?consumers=true`);
  const { account_details: accounts } = (await answer.json()) as {
    account_details: { stream_detail: { consumer_detail?: { name: string; num_pending: number }[] }[] }[];
  };
  return accounts
    .flatMap(({ stream_detail: streams }) => streams.flatMap(({ consumer_detail: consumers = [] }) => consumers))
    .find(({ name }) => name === consumer)?.num_pending;
}

describe('a service that is away', () => {
  test('is started for who waits for its answer: what a scaler reads says so', async () => {
    const [solo] = (await system.api.get('/v1/runs').expect(200)).body as RunView[];
    const [pair] = (await system.api.get(`/v1/runs/${solo!.id}/pairs?limit=1`).expect(200)).body as PairView[];
    const inspection = `/v1/runs/${solo!.id}/pairs/${pair!.digest}/inspection?step=0`;
    await system.stop('reward');
    await system.api.get(inspection).expect(503);
    await waitFor('a reward worker is wanted', async () => (await pending('wanted-reward')) === 1, 10_000);
    expect(await pending('wanted-datagen')).toBe(0);
    system.startWorkers('reward');
    const answer = await waitFor(
      'the answer',
      () => system.api.get(inspection).then(({ status, text }) => (status === 503 ? undefined : { status, text })),
      60_000,
    );
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ step: 0 });
  }, 90_000);

  test('without the reward service a run stalls at scoring; with it, it finishes', async () => {
    await system.stop('reward');
    const { id } = await system.createRun(retrievalRun({ seed: 5, evaluation: null }));
    await waitFor(
      'the pairs are there',
      async () =>
        (await system.ledger.runs.view(id)).stages.some(({ kind, state }) => kind === 'pair' && state === 'done'),
      30_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const stalled = await system.ledger.runs.view(id);
    expect(stalled.state).toBe('running');
    expect(stalled.stages.filter(({ state }) => state !== 'done').map(({ kind }) => kind)).toEqual([
      'score',
      'score',
      'score',
    ]);
    system.startWorkers('reward');
    expect((await system.finished(id)).state).toBe('succeeded');
  }, 60_000);

  test('with the gateway stopped, a started run finishes', async () => {
    const { id } = await system.createRun(retrievalRun({ seed: 6, evaluation: null }));
    await system.stop('gateway');
    expect((await system.finished(id)).state).toBe('succeeded');
    await system.startGateway();
  }, 60_000);
});

describe('what cannot go on', () => {
  test('a loss that is not finite fails the run, names the step and keeps the last good checkpoint', async () => {
    await system.registerModel('damaged', damagedModel());
    await system.importDataset('kettles', kettles(), 'solopo');
    const { id } = await system.createRun(
      retrievalRun({
        model: 'damaged',
        dataset: 'kettles',
        evaluation: null,
        contexts: { short: { distractors: 0 }, long: { documents: 8 } },
        pairing: { mode: 'gold-chosen', judge: 'exact', heldOutPairs: 0 },
        training: { pairsPerStep: 1, learningRate: 1e-5, stepsPerSlice: 1 },
      }),
    );
    const failed = await system.finished(id);
    expect([failed.state, failed.error]).toEqual(['failed', expect.stringContaining('the loss of step ')]);
    const [, step, parameter] =
      /the loss of step (\d+) is not finite: parameter "(.*?)"/.exec(failed.error ?? '') ?? [];
    expect(Number(step)).toBeGreaterThan(1);
    expect(parameter).toBe('model.embed_tokens.weight');
    expect((await system.ledger.checkpoints.latest(id))?.step).toBe(Number(step) - 1);
    const { body: letters } = await system.api.get('/v1/dead-letters').expect(200);
    expect(letters).toEqual(
      expect.arrayContaining([expect.objectContaining({ code: 'loss-not-finite', attempts: 1 })]),
    );
  }, 60_000);

  test('answers of a model whose logits are not finite are not drawn: the run fails, and names the parameter', async () => {
    await system.registerModel('damaged', damagedModel());
    const { id } = await system.createRun(retrievalRun({ model: 'damaged', evaluation: null }));
    const failed = await system.finished(id);
    expect(failed.state).toBe('failed');
    expect(failed.error).toContain('parameter "model.embed_tokens.weight" holds values that are not finite');
  }, 60_000);
});

/** Questions of which the word stands in the long context of the last one alone: four documents of each are relevant. */
function kettles(): string {
  const has = ({ text }: { readonly text: string }): boolean => text.split(' ').includes('kettle');
  const made = [...retrievalExamples({ seed: 11, count: 200, documents: 8 })].filter(
    ({ question, documents }) => !question.includes('kettle') && !documents.some((one) => one.relevant && has(one)),
  );
  const without = made.filter(({ documents }) => !documents.some(has)).slice(0, 24);
  const last = made.find(({ documents }) => documents.some(has));
  return [...without, last!]
    .map(({ documents, ...example }) => {
      const others = documents.filter((one) => !one.relevant && !has(one)).slice(0, 3);
      return {
        ...example,
        documents: documents.map((one) => ({ ...one, relevant: one.relevant || others.includes(one) })),
      };
    })
    .map(exampleLine)
    .join('');
}

/** The bundled model with one word's input embedding destroyed: contexts that hold the word give no number. */
function damagedModel(): string {
  const folder = mkdtempSync(join(tmpdir(), 'solopo-damaged-'));
  cpSync(join(DATA, 'models/retrieval-144k'), folder, { recursive: true });
  const { config, weights } = readModelFolder(folder);
  const table = weights.get('model.embed_tokens.weight')!;
  weights.set('lm_head.weight', { dims: table.dims, data: table.data.slice() });
  const word = RETRIEVAL_VOCABULARY.indexOf('kettle');
  table.data.fill(NaN, word * config.hiddenSize, (word + 1) * config.hiddenSize);
  writeSafetensors(join(folder, 'model.safetensors'), weights);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(formatModelConfig({ ...config, tiedEmbeddings: false })));
  return folder;
}
