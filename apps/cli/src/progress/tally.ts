import type { RunView, StageView } from '../client/api.views.ts';
import type { Notes } from './progress.ts';

/** How far one line of the work has come. */
export interface Tally {
  readonly label: string;
  readonly unit: string;
  readonly done: number;
  /** `null` while nobody can know. */
  readonly total: number | null;
  /** What is going on, where something is. */
  readonly now: { readonly phase: string | null; readonly secondsLeft: number | null } | null;
  readonly note?: string;
}

const LABELS: readonly (readonly [kind: string, label: string])[] = [
  ['compose', 'contexts'],
  ['sample', 'samples'],
  ['pair', 'pairs'],
  ['score', 'reference scores'],
  ['train', 'train'],
  ['align', 'alignment'],
  ['evaluate', 'evaluation'],
];

/**
 * One line for each kind of stage that runs share, and one for each run's training; one for all of it where there is one run. A stage that
 * several runs want counts once.
 */
export function tally(runs: readonly RunView[], notes: Notes = {}): Tally[] {
  const stages = [...new Map(runs.flatMap((run) => run.stages.map((stage) => [stage.digest, stage]))).values()];
  const lines = LABELS.flatMap(([kind, label]) =>
    kind === 'train' ? runs.map((run) => training(run, notes[run.id])) : [shared(kind, label, stages, runs)],
  );
  return runs.length === 1 ? [...lines, ...runs.map(whole)] : lines;
}

function training(run: RunView, note: string | undefined): Tally {
  const stages = run.stages.filter(({ kind }) => kind === 'train');
  return {
    label: `train ${run.config.name}`,
    unit: 'steps',
    done: Math.max(run.step, Math.floor(sum(stages.map(({ progress }) => progress.done)))),
    total: run.steps,
    now: nowOf(stages),
    ...(note !== undefined && { note }),
  };
}

function whole({ progress, state, etaSeconds }: RunView): Tally {
  return {
    label: 'whole run',
    unit: 'stages',
    done: Math.floor(progress?.done ?? 0),
    total: progress?.total ?? null,
    now: state === 'running' ? { phase: null, secondsLeft: etaSeconds } : null,
  };
}

function shared(kind: string, label: string, all: readonly StageView[], runs: readonly RunView[]): Tally {
  const stages = all.filter((stage) => stage.kind === kind);
  const done = Math.floor(sum(stages.map(({ progress }) => progress.done)));
  const known = sum(stages.map(({ progress }) => progress.total));
  const unit = stages[0]?.progress.unit ?? '';
  const toCome = runs.map(
    (run) => expectedStages(run, kind) - run.stages.filter((stage) => stage.kind === kind).length,
  );
  const now = nowOf(stages);
  if (stages.length === 0 || toCome.some(Number.isNaN)) return { label, unit, done, total: null, now };
  const perStage = known / stages.length;
  const total = Math.round(known + perStage * sum(toCome.map((count) => Math.max(0, count))));
  return { label, unit, done, total, now };
}

/** Of the stages that are at work: one after another, as far as they are there. */
function nowOf(stages: readonly StageView[]): Tally['now'] {
  const open = stages.filter(({ state }) => state === 'running' || state === 'pending');
  if (!open.some(({ state }) => state === 'running')) return null;
  const left = open.map(({ etaSeconds }) => etaSeconds);
  return {
    phase: open.find(({ progress }) => progress.phase !== null)?.progress.phase ?? null,
    secondsLeft: left.some((seconds) => seconds === null) ? null : sum(left.map(Number)),
  };
}

/** Stages of a kind that a run will have had in the end; not a number while its steps are not planned. */
function expectedStages({ config, steps }: RunView, kind: string): number {
  switch (kind) {
    case 'evaluate':
      return 2 * new Set(config.evaluation?.documents).size;
    case 'align':
      return steps === null ? NaN : 1 + Math.ceil(steps / config.training.stepsPerSlice);
    default:
      return 1;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
