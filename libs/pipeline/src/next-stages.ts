import { digestOf, SolopoError, type StageSpec } from '@solopo/contracts';
import { pairCountsOf } from './pair-counts.ts';
import type { PolicyVersion, RunFacts } from './run-facts.ts';
import {
  alignSpec,
  composeSpec,
  evaluateSpecs,
  heldOutScoreSpecs,
  pairSpec,
  sampleSpec,
  trainingScoreSpecs,
  trainSpec,
} from './stage-specs.ts';

export interface WantedStage {
  readonly digest: string;
  readonly spec: StageSpec;
  /** What the run calls it: unique within the run. */
  readonly label: string;
}

export interface NextStages {
  /** Stages whose inputs are there and which the run is not subscribed to yet. */
  readonly start: readonly WantedStage[];
  /** Every stage the run wants is done. */
  readonly finished: boolean;
  /** Why the run cannot go on, with what to do next. */
  readonly failure: string | null;
}

/** The stage machine: what a run does next follows from its facts alone. */
export function nextStages(facts: RunFacts): NextStages {
  const failure = failureOf(facts);
  if (failure !== null) return { start: [], finished: false, failure };
  const ready = readyStages(facts);
  return {
    start: ready.filter(({ digest }) => !facts.stages.has(digest)),
    finished: isDone(facts, trainSpec(facts.run)) && ready.every(({ spec }) => isDone(facts, spec)),
    failure: null,
  };
}

/** Every stage whose inputs are done, in the order of the pipeline. */
function readyStages(facts: RunFacts): readonly WantedStage[] {
  const { run, versions } = facts;
  const done = (...specs: readonly StageSpec[]) => specs.every((spec) => isDone(facts, spec));
  const [compose, sample, pair, scores, train] = [
    composeSpec(run),
    sampleSpec(run),
    pairSpec(run),
    trainingScoreSpecs(run),
    trainSpec(run),
  ];
  const base: PolicyVersion = { step: 0, digest: run.model };
  const hasHeldOut = done(pair) && pairCountsOf(facts.stages.get(digestOf(pair))?.result).heldOut > 0;
  const heldOutScores = hasHeldOut ? heldOutScoreSpecs(run) : [];

  return [
    stage('compose', compose),
    ...evaluateSpecs(run, run.model).map((spec) => stage(`evaluate base ${spec.documents}`, spec)),
    ...(done(compose) ? [stage('sample', sample)] : []),
    ...(done(sample) ? [stage('pair', pair)] : []),
    ...(done(pair)
      ? [...scores, ...heldOutScores].map((spec) => stage(`score ${spec.split} ${spec.context}`, spec))
      : []),
    ...(done(pair, ...scores) ? [stage('train', train)] : []),
    ...(hasHeldOut && done(...heldOutScores)
      ? [base, ...versions].map((policy) => stage(`align ${policy.step}`, alignSpec(run, policy)))
      : []),
    ...(done(train) ? finalEvaluations(facts) : []),
  ];
}

function finalEvaluations({ run, versions }: RunFacts): readonly WantedStage[] {
  const last = versions.reduce<PolicyVersion | null>((a, b) => (a === null || b.step > a.step ? b : a), null);
  if (last === null)
    throw new SolopoError('internal', `Run ${run.id} was trained but has no policy version; report this as a defect.`);
  return evaluateSpecs(run, last.digest).map((spec) => stage(`evaluate ${last.step} ${spec.documents}`, spec));
}

function failureOf({ run, stages }: RunFacts): string | null {
  for (const { spec, state } of stages.values())
    if (state === 'failed')
      return `The ${spec.kind} stage failed; read its dead letter, mend the cause and start the run again.`;
  const pair = stages.get(digestOf(pairSpec(run)));
  if (pair?.state === 'done' && pairCountsOf(pair.result).pairs === 0)
    return 'No example gave a training pair; read the pair refusals, then take more examples, more samples or fewer held-out pairs.';
  return null;
}

function stage(label: string, spec: StageSpec): WantedStage {
  return { digest: digestOf(spec), spec, label };
}

function isDone({ stages }: RunFacts, spec: StageSpec): boolean {
  return stages.get(digestOf(spec))?.state === 'done';
}
