import type { RunView, StageKind } from '@solopo/contracts';
import { CHAIN_START, type Repositories, type SubscribedStage } from '@solopo/ledger';
import { Checking, type Check } from './check.ts';

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

/** Figures are of policies that there are. They are not in the chain: what was measured cannot be made again from rows alone. */
export async function verifyFigures(
  ledger: Repositories,
  run: string,
  model: string,
  stages: readonly SubscribedStage[],
): Promise<Check> {
  const checking = new Checking();
  const policies = new Map((await ledger.versions.list(run)).map(({ step, digest }) => [step, digest]));
  const known = new Set([model, ...policies.values()]);
  const alignments = await ledger.alignments.ofRun(run);
  for (const { step, policy } of alignments)
    checking.demand(
      policy === (step === 0 ? model : policies.get(step)),
      `the alignment of step ${step} is that of another policy`,
    );
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
  return checking.result('figures', `${alignments.length} alignments, ${evaluations.length} evaluations`);
}
