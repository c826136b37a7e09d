import type { RunView, StageView } from '../client/api.views.ts';
import type { Notes } from './progress.ts';

/** How far one line of the work has come. */
export interface Tally {
  readonly label: string;
  readonly unit: 'jobs' | 'steps';
  readonly done: number;
  /** `null` while nobody can know. */
  readonly total: number | null;
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

/** One line for each kind of stage that runs share, and one for each run's training. A stage that several runs want counts once. */
export function tally(runs: readonly RunView[], notes: Notes = {}): Tally[] {
  const stages = new Map(runs.flatMap((run) => run.stages.map((stage) => [stage.digest, stage])));
  return LABELS.flatMap(([kind, label]) =>
    kind === 'train'
      ? runs.map((run) => ({
          label: `train ${run.config.name}`,
          unit: 'steps' as const,
          done: run.step,
          total: run.steps,
          ...(notes[run.id] !== undefined && { note: notes[run.id] }),
        }))
      : [
          shared(
            kind,
            label,
            [...stages.values()].filter((stage) => stage.kind === kind),
            runs,
          ),
        ],
  );
}

function shared(kind: string, label: string, stages: readonly StageView[], runs: readonly RunView[]): Tally {
  const done = sum(stages.map(({ chunksDone }) => chunksDone));
  const known = sum(stages.map(({ chunks }) => chunks));
  const toCome = runs.map(
    (run) => expectedStages(run, kind) - run.stages.filter((stage) => stage.kind === kind).length,
  );
  if (stages.length === 0 || toCome.some(Number.isNaN)) return { label, unit: 'jobs', done, total: null };
  const perStage = known / stages.length;
  return {
    label,
    unit: 'jobs',
    done,
    total: Math.round(known + perStage * sum(toCome.map((count) => Math.max(0, count)))),
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
