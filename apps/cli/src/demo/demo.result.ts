import type { AlignmentView, EvaluationView, ModelView, RunView, StageView, StepView } from '../client/api.views.ts';
import { pairedDifference, type PairedDifference } from '../statistics/paired-difference.ts';
import { wilsonInterval } from '../statistics/wilson.ts';

/** All that the API tells of a finished run. */
export interface FinishedRun {
  readonly run: RunView;
  readonly evaluations: readonly EvaluationView[];
  readonly alignments: readonly AlignmentView[];
  readonly steps: readonly StepView[];
}

/** Shares, not per cent. */
export interface Accuracy {
  readonly documents: number;
  /** Mean length of the prompts. */
  readonly tokens: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

export interface Difference extends PairedDifference {
  readonly documents: number;
}

export interface ArmResult {
  readonly name: string;
  readonly accuracy: readonly Accuracy[];
  readonly pairs: number;
  /** Of them, pairs that each epoch leaves out, for they fill no step. */
  readonly leftOver: number;
  readonly policyTokens: number;
  readonly referenceTokens: number;
  /** Spent in gradient steps. */
  readonly seconds: number;
  readonly differenceToBase: readonly Difference[];
  /** The `solo` arm against each other arm. */
  readonly differenceToArms: Readonly<Record<string, readonly Difference[]>>;
  readonly steps: number;
  readonly chainHead: string | null;
  readonly policyDigest: string | null;
  readonly curve: readonly { readonly step: number; readonly metrics: Readonly<Record<string, number>> }[];
  readonly alignments: readonly { readonly step: number; readonly metrics: Readonly<Record<string, number>> }[];
}

export interface StageCounts {
  readonly kind: string;
  readonly counts: Readonly<Record<string, number>>;
}

/** Runs on the same data, beside each other and the base model. */
export interface Comparison {
  readonly base: { readonly accuracy: readonly Accuracy[] };
  readonly arms: readonly ArmResult[];
  /** Stages the runs asked for one by one, and stages that were run. */
  readonly sharing: { readonly wanted: number; readonly run: number };
  /** What the stages of a kind made and refused; a stage that several runs share counts once. */
  readonly stages: readonly StageCounts[];
}

/** What `--json` writes. */
export interface DemoResult extends Comparison {
  readonly corpus: string;
  readonly quick: boolean;
  readonly seed: number;
  /** Since the command began; what was done before it is not in them. */
  readonly seconds: number;
  readonly model: ModelView;
  /** Rows of each evidence table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Jobs of all runs, and how often one was executed: more where a worker was lost. */
  readonly work: Work;
}

interface Work {
  readonly jobs: number;
  readonly executions: number;
}

const COUNTED = ['compose', 'sample', 'pair', 'score'];

export interface DemoFacts {
  readonly corpus: string;
  readonly quick: boolean;
  readonly seed: number;
  readonly seconds: number;
  readonly model: ModelView;
  readonly runs: readonly FinishedRun[];
  readonly rows: Readonly<Record<string, number>>;
}

export function demoResult({ runs, ...facts }: DemoFacts): DemoResult {
  return { ...facts, ...compareRuns(runs), work: workOf(runs) };
}

function workOf(runs: readonly FinishedRun[]): Work {
  const total = (key: keyof Work): number => runs.reduce((sum, { run }) => sum + run.work[key], 0);
  return { jobs: total('jobs'), executions: total('executions') };
}

export function compareRuns(runs: readonly FinishedRun[]): Comparison {
  const base = byLength(runs[0]?.evaluations.filter(({ step }) => step === 'base') ?? []);
  const policies = new Map(runs.map((run) => [run.run.config.name, policyEvaluations(run)]));
  const wanted = runs.flatMap(({ run }) => run.stages);
  const stages = [...new Map(wanted.map((stage) => [stage.digest, stage])).values()];
  return {
    base: { accuracy: base.map(accuracyOf) },
    arms: runs.map(({ run, steps, alignments }) => {
      const { name } = run.config;
      const own = policies.get(name) ?? [];
      const others = run.config.arm === 'solo' ? [...policies].filter(([other]) => other !== name) : [];
      return {
        name,
        accuracy: own.map(accuracyOf),
        pairs: run.pairs ?? 0,
        leftOver: run.leftOver ?? 0,
        policyTokens: run.policyTokens,
        referenceTokens: run.referenceTokens,
        seconds: run.trainSeconds,
        differenceToBase: differences(own, base),
        differenceToArms: Object.fromEntries(
          others.map(([other, evaluations]) => [other, differences(own, evaluations)]),
        ),
        steps: run.step,
        chainHead: run.chainHead,
        policyDigest: run.policyDigest,
        curve: steps.map(({ step, metrics }) => ({ step, metrics })),
        alignments: alignments.map(({ step, metrics }) => ({ step, metrics })).sort((a, b) => a.step - b.step),
      };
    }),
    sharing: { wanted: wanted.length, run: stages.length },
    stages: COUNTED.map((kind) => ({ kind, counts: added(stages.filter((stage) => stage.kind === kind)) })),
  };
}

/** Those of the last policy version. */
function policyEvaluations({ evaluations }: FinishedRun): EvaluationView[] {
  const last = Math.max(...evaluations.map(({ step }) => (step === 'base' ? -1 : step)));
  return byLength(evaluations.filter(({ step }) => step === last));
}

/** A length at which no question could be asked has no accuracy. */
function byLength(evaluations: readonly EvaluationView[]): EvaluationView[] {
  return evaluations.filter(({ n }) => n > 0).sort((a, b) => a.documents - b.documents);
}

function accuracyOf({ documents, tokens, n, correct }: EvaluationView): Accuracy {
  return { documents, tokens: tokens / n, mean: correct / n, ...wilsonInterval(correct, n), n };
}

function differences(first: readonly EvaluationView[], second: readonly EvaluationView[]): Difference[] {
  return first.flatMap(({ documents, outcomes }) => {
    const other = second.find((evaluation) => evaluation.documents === documents);
    return other ? [{ documents, ...pairedDifference(outcomes, other.outcomes) }] : [];
  });
}

/** The stages' counts, added up. */
function added(stages: readonly StageView[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, count] of stages.flatMap(({ result }) => Object.entries(result ?? {})))
    if (typeof count === 'number') counts[name] = (counts[name] ?? 0) + count;
  return counts;
}
