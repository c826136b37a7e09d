import type { RunView, StageKind } from '@solopo/contracts';
import {
  alignmentDigest,
  CHAIN_START,
  evaluationDigest,
  type Repositories,
  type RunRecord,
  type SubscribedStage,
} from '@solopo/ledger';
import { nextStages, pairCountsOf, stepsOf, type RunFacts } from '@solopo/pipeline';
import { Checking, type Check } from './check.ts';
import { notCovered } from './verify-samples.ts';

/** What the run says of itself, against its rows. */
export async function verifyHead(ledger: Repositories, run: RunView): Promise<Check> {
  const checking = new Checking();
  const head = await ledger.steps.head(run.id);
  const last = (await ledger.versions.list(run.id)).at(-1);
  checking.demand(run.step === head.step, `the run is at step ${run.step}, its chain ends with step ${head.step}`);
  checking.demand(
    (run.chainHead ?? CHAIN_START) === head.digest,
    `the run's head ${run.chainHead ?? 'is missing and'} is not that of its chain, ${head.digest}`,
  );
  checking.demand(run.policyDigest === (last?.digest ?? null), "the run's policy is not the latest of its policies");
  if (run.state === 'succeeded')
    checking.demand(run.step === run.steps, `the run succeeded with ${run.step} of ${String(run.steps)} steps`);
  return checking.result('run', `step ${run.step}, head ${head.digest}`);
}

/** What is said of where the run stands, against what its stages came to. */
export async function verifyState(
  ledger: Repositories,
  run: RunRecord,
  { state, error, finishedAt, steps }: RunView,
  stages: readonly SubscribedStage[],
): Promise<Check> {
  const checking = new Checking();
  const versions = await ledger.versions.list(run.id);
  const facts: RunFacts = {
    run: { id: run.id, config: run.config, ...run.resolved },
    stages: new Map(stages.map((stage) => [stage.digest, stage])),
    versions,
  };
  const open = stages.filter((stage) => stage.state !== 'done');
  checking.demand(
    state !== 'succeeded' || (open.length === 0 && versions.length > 0),
    `the run has succeeded, but its stage "${open[0]?.label ?? 'train'}" is not done`,
  );
  // Without its last policy nobody can tell what is still to be done: that is found by its name.
  const isTrained = stages.some(({ kind, state: reached }) => kind === 'train' && reached === 'done');
  if (state !== 'succeeded' && isTrained && versions.length > 0)
    checking.demand(!nextStages(facts).finished, `the run is ${state}, but all of it is done`);
  checking.demand((error !== null) === (state === 'failed'), `the run is ${state}, and its error is ${String(error)}`);
  checking.demand(
    (finishedAt === null) === (state === 'running'),
    `the run is ${state}, and ended ${finishedAt ?? 'never'}`,
  );
  const pair = stages.find((stage) => stage.kind === 'pair' && stage.state === 'done');
  const isPlanned = stages.some(({ kind }) => kind === 'train');
  const planned = pair && isPlanned ? stepsOf(run.config.training, pairCountsOf(pair.result).pairs) : null;
  checking.demand(steps === planned, `the run plans ${String(steps)} steps, its pairs give ${String(planned)}`);
  return checking.result('state', state);
}

/** Figures are what was measured, of policies that there are. They are not in the chain: nobody can make them again from rows alone. */
export async function verifyFigures(
  ledger: Repositories,
  run: string,
  model: string,
  stages: readonly SubscribedStage[],
): Promise<Check> {
  const checking = new Checking();
  const policies = new Map((await ledger.versions.list(run)).map(({ step, digest }) => [step, digest]));
  const known = new Set([model, ...policies.values()]);
  const own = new Set(stages.map(({ digest }) => digest));
  const alignments = await ledger.alignments.evidence(run);
  let uncovered = 0;
  for (const row of alignments) {
    const { stage, step, policy, digest } = row;
    checking.demand(
      policy === (step === 0 ? model : policies.get(step)) && own.has(stage),
      `the alignment of step ${step} is that of another policy`,
    );
    if (digest === null) uncovered += 1;
    else checking.demand(alignmentDigest(stage, row) === digest, `the alignment of step ${step} was altered`);
  }
  for (const row of await ledger.evaluations.evidence(run)) {
    const { stage, chunk, policy, documents, digest } = row;
    if (digest === null) uncovered += 1;
    else
      checking.demand(
        evaluationDigest(stage, chunk, row) === digest,
        `the evaluation over ${documents} documents of policy ${policy} was altered`,
      );
  }
  const evaluations = await ledger.evaluations.ofRun(run);
  for (const { policy, documents, n, correct, outcomes } of evaluations) {
    checking.demand(known.has(policy), `there is an evaluation over ${documents} documents of an unknown policy`);
    checking.demand(
      outcomes.length === n && [...outcomes].filter((outcome) => outcome === '1').length === correct,
      `the evaluation over ${documents} documents of policy ${policy} does not add up`,
    );
  }
  const done = (kind: StageKind) => stages.filter((stage) => stage.kind === kind && stage.state === 'done').length;
  checking.demand(alignments.length === done('align'), `alignments are lost: there were ${done('align')}`);
  checking.demand(evaluations.length === done('evaluate'), `evaluations are lost: there were ${done('evaluate')}`);
  return checking.result(
    'figures',
    `${alignments.length} alignments, ${evaluations.length} evaluations${notCovered(uncovered, 'rows of them')}`,
  );
}
