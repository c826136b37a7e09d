import type {
  AlignmentView,
  EvaluationView,
  Inspection,
  PairDetails,
  PairView,
  RunConfigInput,
  RunView,
  StepView,
} from '@solopo/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { System } from './system.ts';

/** Every objective in every arm through the real services, with an adapter and without; all share one system and what they can. */
type Changes = Partial<RunConfigInput>;
type Finished = RunView & { readonly alignments: readonly AlignmentView[]; readonly history: readonly StepView[] };

const ARMS = ['short', 'long', 'expand-long', 'solo', 'solo-both'] as const;
const OBJECTIVES = ['dpo', 'simpo', 'orpo'] as const;
const adapter = { kind: 'lora', rank: 4, alpha: 8 } as const;
const RUNS: Record<string, Changes> = {
  ...Object.fromEntries(
    OBJECTIVES.flatMap((kind) => ARMS.map((arm) => [`${kind} ${arm}`, { arm, objective: { kind } }] as const)),
  ),
  'sft short': { arm: 'sft', objective: { kind: 'sft' } },
  'sft long': { arm: 'sft', objective: { kind: 'sft', context: 'long' } },
  ...Object.fromEntries(
    ARMS.map((arm, i) => [`lora ${arm}`, { arm, adapter, objective: { kind: OBJECTIVES[i % 3] ?? 'dpo' } }] as const),
  ),
  'lora sft': { arm: 'sft', adapter, objective: { kind: 'sft' } },
  'lora int8': { adapter, frozenWeights: 'int8' },
  paper: { preset: 'paper' },
  'half aligned': { alignment: { fraction: 0.5, reference: 'per-context' } },
  'orpo with the prompt': { objective: { kind: 'orpo', nll: 'all' } },
  'gradient of the tail': { objective: { kind: 'dpo' }, alignment: { backward: { tail: 8 } } },
  distil: { arm: 'distil', objective: { kind: 'distil' } },
  'lora distil': { arm: 'distil', adapter, objective: { kind: 'distil' } },
};

let system: System;
const runs = new Map<string, Finished>();
beforeAll(async () => {
  system = await System.start();
  await prepareRetrieval(system);
  system.startWorkers('datagen', 'reward', 'trainer');
  const created = await Promise.all(
    Object.entries(RUNS).map(async ([name, changes]) => [name, await start(changes)] as const),
  );
  for (const [name, { id }] of created) runs.set(name, await finished(id));
}, 240_000);
afterAll(() => system.close());

function start(changes: Changes): Promise<RunView> {
  const training = { pairsPerStep: 4, learningRate: 5e-4, stepsPerSlice: 2, maxSteps: 2 };
  return system.createRun(retrievalRun({ training, evaluation: null, ...changes }));
}

async function finished(id: string): Promise<Finished> {
  const run = await system.finished(id, 220_000);
  const get = async <T>(what: string): Promise<T> =>
    (await system.api.get(`/v1/runs/${id}/${what}`).expect(200)).body as T;
  return { ...run, alignments: await get('alignments'), history: await get('steps') };
}

const runOf = (name: string): Finished => runs.get(name)!;
const firstStep = (name: string): Readonly<Record<string, number>> => runOf(name).history[0]!.metrics;

const ALWAYS = [
  'loss',
  'grad_norm',
  'learning_rate',
  'epoch',
  'num_tokens',
  'logps/chosen',
  'logits/chosen',
  'entropy',
  'mean_token_accuracy',
  'solo/loss_po',
];
const PREFERENCE = [
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'logps/rejected',
  'logits/rejected',
];
const ALIGNMENT = [
  'solo/loss_ra',
  'solo/r_short_chosen',
  'solo/r_long_chosen',
  'solo/gap_abs',
  'solo/gap_signed',
  'solo/gap_p95',
  'solo/logp_gap_per_token',
  'solo/logp_short_per_token',
  'solo/logp_long_per_token',
];
/** Eight documents of eleven tokens or so. */
const LENGTH = 'pairs/length_le_128';
const LIKELIHOOD = ['nll_loss'];
const OWN_METRICS: Readonly<Record<string, readonly string[]>> = { sft: LIKELIHOOD, distil: ['kl'] };
const ODDS = ['log_odds_ratio', 'log_odds_chosen'];

describe.each(Object.keys(RUNS))('%s', (name) => {
  test('trains, with the metrics of its objective and arm, all finite', () => {
    const run = runOf(name);
    expect([run.state, run.error, run.step]).toEqual(['succeeded', null, 2]);
    const { arm, objective } = run.config;
    const names = [
      ...ALWAYS,
      ...(OWN_METRICS[objective.kind] ?? PREFERENCE),
      ...(objective.kind === 'orpo' ? [...LIKELIHOOD, ...ODDS] : []),
      ...(arm === 'solo' || arm === 'solo-both' ? ALIGNMENT : []),
    ];
    for (const { metrics } of run.history) {
      expect(Object.keys(metrics).sort()).toEqual(names.sort());
      for (const [metric, value] of Object.entries(metrics)) expect(Number.isFinite(value), metric).toBe(true);
      expect(metrics['loss']).toBeCloseTo(metrics['solo/loss_po']! + (metrics['solo/loss_ra'] ?? 0), 6);
    }
    expect(run.history.at(-1)!.metrics['num_tokens']).toBe(run.policyTokens);
    if (objective.kind === 'dpo') expect(firstStep(name)['solo/loss_po']).toBeCloseTo(Math.LN2, 5);
    else expect(run.referenceTokens).toBe(0);
  });

  test('measures the base and its policy on held-out pairs', () => {
    const run = runOf(name);
    expect(run.alignments.map(({ step }) => step)).toEqual([0, 2]);
    for (const { metrics } of run.alignments) {
      for (const [metric, value] of Object.entries(metrics)) expect(Number.isFinite(value), metric).toBe(true);
      expect(metrics).toMatchObject({ pairs: 8, [LENGTH]: 8 });
      const { kind } = run.config.objective;
      // An answer alone has no margin, and its divergence is not measured.
      const ofPairs = kind === 'distil' ? [] : ['eval_loss', 'solo/margin_long', 'solo/accuracy_long'];
      for (const metric of [
        ...ofPairs,
        'eval_entropy',
        'eval_mean_token_accuracy',
        'eval_logps/chosen',
        'solo/gap_p95',
        'solo/logp_no_context_per_token',
      ])
        expect(metrics).toHaveProperty([metric]);
      expect('eval_logps/rejected' in metrics).toBe(!(kind in OWN_METRICS));
      const thirds = ['first', 'middle', 'last'].map((third) => metrics[`pairs/evidence_${third}`] ?? 0);
      expect(thirds.reduce((a, b) => a + b)).toBe(8);
      if (kind in OWN_METRICS) expect(metrics).not.toHaveProperty(['solo/bound']);
      else expect(metrics['solo/bound_slack']).toBeGreaterThanOrEqual(-1e-9);
    }
    const [base, policy] = run.alignments.map(({ metrics }) => metrics) as [
      Record<string, number>,
      Record<string, number>,
    ];
    expect(policy['solo/logp_short_per_token']).not.toBe(base['solo/logp_short_per_token']);
    if (run.config.objective.kind === 'dpo') expect(base['eval_rewards/margins']).toBe(0);
  });
});

test('what was read and made is verified in the ledger, adapters and unaligned pairs too', async () => {
  for (const name of [
    'half aligned',
    'lora solo',
    'lora int8',
    'sft short',
    'simpo solo-both',
    'gradient of the tail',
    'distil',
    'lora distil',
  ]) {
    const { body } = await system.api.get(`/v1/runs/${runOf(name).id}/verify`).expect(200);
    expect(body, name).toMatchObject({ ok: true });
  }
});

describe('what the runs cost', () => {
  const tokens = (name: string): number => runOf(name).policyTokens;

  test('follows the rows that each arm reads', () => {
    for (const kind of OBJECTIVES) {
      expect(tokens(`${kind} short`)).toBeLessThan(tokens(`${kind} solo`));
      expect(tokens(`${kind} solo`)).toBeLessThan(tokens(`${kind} solo-both`));
      expect(tokens(`${kind} expand-long`)).toBeLessThan(tokens(`${kind} solo`));
    }
    expect(tokens('sft short')).toBeLessThan(tokens('dpo short'));
    expect(tokens('half aligned')).toBeGreaterThan(tokens('dpo short'));
    expect(tokens('half aligned')).toBeLessThan(tokens('dpo solo'));
    expect(tokens('lora sft')).toBe(tokens('sft short'));
    // What has no gradient runs forward all the same.
    expect(tokens('gradient of the tail')).toBe(tokens('dpo solo'));
    // The paper's form scores the reference under both contexts.
    expect(runOf('paper').referenceTokens).toBeGreaterThan(runOf('dpo solo').referenceTokens);
  });

  test('what the runs have in common is done once, and the long arm samples on its own contexts', () => {
    const stages = (kind: string) =>
      new Set(
        [...runs.values()].flatMap((run) =>
          run.stages.filter((stage) => stage.kind === kind).map(({ digest }) => digest),
        ),
      );
    expect(stages('compose').size).toBe(1);
    expect(stages('sample').size).toBe(2);
    // Of the long contexts' samples pairs are made, and items of one answer.
    expect(stages('pair').size).toBe(3);
    // Short pairs: training short and long, held-out short and long; long pairs: training long, held-out short and long.
    // Over int8 weights: short pairs' training short, held-out short and long.
    expect(stages('score').size).toBe(7 + 3);
  });
});

test('the gradient of the tail has the loss of the whole, and another norm', () => {
  const [tail, whole] = [firstStep('gradient of the tail'), firstStep('dpo solo')];
  expect(tail['loss']).toBeCloseTo(whole['loss']!, 5);
  expect(Math.abs(tail['grad_norm']! / whole['grad_norm']! - 1)).toBeGreaterThan(1e-4);
});

describe('distillation', () => {
  test('is of one drawn answer a question, without a rejected one, which no export of preferences has', async () => {
    const path = `/v1/runs/${runOf('distil').id}/pairs`;
    const pairs = (await system.api.get(`${path}?limit=5`).expect(200)).body as PairView[];
    expect(pairs).toHaveLength(5);
    for (const { chosen, rejected } of pairs) expect([typeof chosen, rejected]).toEqual(['string', null]);
    const shown = (await system.api.get(`${path}/${pairs[0]!.digest}`).expect(200)).body as PairDetails;
    expect(shown.responses).toMatchObject({ chosen: { logps: { short: null, long: null } }, rejected: null });
    const inspected = (await system.api.get(`${path}/${pairs[0]!.digest}/inspection?step=2`).expect(200))
      .body as Inspection;
    expect(inspected.long).toMatchObject({
      chosen: { logps: { length: shown.responses.chosen.pieces.length } },
      rejected: null,
    });
    await system.api.get(`${path}.jsonl?format=trl`).expect(409);
  });

  test('starts from the same divergence with an adapter as with all parameters', () => {
    expect(firstStep('lora distil')['kl']).toBeCloseTo(firstStep('distil')['kl']!, 5);
    expect(firstStep('distil')['kl']).toBeGreaterThan(0);
  });
});

describe('an adapter', () => {
  test('starts where the base is, and ends elsewhere than the full parameters', () => {
    for (const arm of ['short', 'long'] as const) {
      const kind = OBJECTIVES[ARMS.indexOf(arm) % 3]!;
      expect(firstStep(`lora ${arm}`)['logps/chosen']).toBeCloseTo(firstStep(`${kind} ${arm}`)['logps/chosen']!, 5);
      expect(firstStep(`lora ${arm}`)['loss']).toBeCloseTo(firstStep(`${kind} ${arm}`)['loss']!, 5);
      expect(runOf(`lora ${arm}`).policyDigest).not.toBe(runOf(`${kind} ${arm}`).policyDigest);
    }
  });

  test('over int8 weights has a reference of the same weights, near that of float32 and under a name of its own', async () => {
    const [int8, exact] = [runOf('lora int8'), runOf('dpo solo')];
    const [own, other] = [firstStep('lora int8')['logps/chosen']!, firstStep('dpo solo')['logps/chosen']!];
    expect(own).not.toBe(other);
    expect(Math.abs(own - other)).toBeLessThan(0.5);
    const enginesOf = ({ id }: Finished) => system.ledger.steps.engines(id, 2);
    expect(await enginesOf(int8)).toEqual([expect.stringContaining('float32, frozen weights int8;')]);
    expect(await enginesOf(exact)).toEqual([expect.not.stringContaining('frozen weights')]);
    expect(int8.alignments[0]!.metrics['eval_logps/chosen']).not.toBe(
      exact.alignments[0]!.metrics['eval_logps/chosen'],
    );
  });

  test('is evaluated, and is the same whether trained in one slice or two', async () => {
    const training = { pairsPerStep: 4, learningRate: 5e-3, maxSteps: 2 };
    const evaluation = { dataset: 'questions', documents: [8], judge: 'exact' as const, maxNewTokens: 3 };
    const [whole, sliced] = (await Promise.all(
      [2, 1].map(async (stepsPerSlice) =>
        finished((await start({ adapter, evaluation, training: { ...training, stepsPerSlice } })).id),
      ),
    )) as [Finished, Finished];
    expect([whole.state, sliced.state]).toEqual(['succeeded', 'succeeded']);
    expect(sliced.policyDigest).toBe(whole.policyDigest);
    expect(sliced.history.map(({ metrics }) => metrics)).toEqual(whole.history.map(({ metrics }) => metrics));
    expect(sliced.alignments.map(({ step }) => step)).toEqual([0, 1, 2]);
    const { body } = await system.api.get(`/v1/runs/${whole.id}/evaluations`).expect(200);
    const [base, policy] = body as [EvaluationView, EvaluationView];
    expect([base.step, policy.step, base.n, policy.n]).toEqual(['base', 2, 40, 40]);
    expect(policy.policy).toBe(whole.policyDigest);
  }, 60_000);
});

test('an objective that does not fit its arm is refused with what to do', async () => {
  const refused = async (changes: Changes, path: string) => {
    const { body } = await system.api.post('/v1/runs').send(retrievalRun(changes)).expect(422);
    expect((body as { errors: { path: string }[] }).errors).toEqual([expect.objectContaining({ path })]);
  };
  await refused({ arm: 'sft', objective: { kind: 'dpo' } }, 'objective.kind');
  await refused({ arm: 'long', sampling: { on: 'short' } }, 'sampling.on');
  await refused({ arm: 'expand-long', alignment: { backward: 'response' } }, 'alignment.backward');
  await refused({ arm: 'distil', objective: { kind: 'distil' }, pairing: { mode: 'gold-chosen' } }, 'pairing.mode');
  await refused({ objective: { kind: 'dpo', loss: 'hinge', labelSmoothing: 0.1 } }, 'objective.labelSmoothing');
  await refused({ alignment: { fraction: 0 } }, 'alignment.fraction');
  await refused({ preset: 'papers' as never }, 'preset');
  await refused({ frozenWeights: 'int8' }, 'frozenWeights');
});
