import { STAGE_WORK, type JobProgress, type RunConfig, type RunState, type StageProgress } from '@solopo/contracts';
import type { StageRecord } from './repositories/stage.repository.ts';

/** How fast a stage's work goes, by what is recorded of its chunks and told by the workers that are at them. */
export interface Pace {
  /** Mean of the chunks that are done. */
  readonly secondsPerChunk: number | null;
  /** Chunks that are begun and not done. */
  readonly running: number;
  /** Of all chunks. */
  readonly itemsDone: number;
  /** Worked for them. */
  readonly seconds: number;
  /** Chunks that are worked on now. */
  readonly jobs: readonly { readonly seconds: number; readonly progress: JobProgress | null }[];
  /** Of the latest stages like it; null where there are none, or it is done. */
  readonly earlier: { readonly items: number; readonly seconds: number } | null;
}

export interface PacedStage extends StageRecord {
  readonly label: string;
  readonly pace: Pace;
}

export function stageProgress(stage: PacedStage): StageProgress {
  const { kind, state, chunks, chunksDone, items, pace } = stage;
  const told = pace.jobs.flatMap(({ progress }) => progress ?? []);
  const counted =
    items === null
      ? { done: chunksDone, total: chunks, unit: 'chunks' }
      : {
          done: Math.min(items, state === 'done' ? items : itemsDone(stage)),
          total: items,
          unit: STAGE_WORK[kind].unit,
        };
  return {
    ...counted,
    fraction: state === 'done' ? 1 : share(counted),
    phase: told.find(({ phase }) => phase !== undefined)?.phase ?? null,
  };
}

/** Null: not known, or there is nothing left. */
export function stageSecondsLeft(stage: PacedStage): number | null {
  const { state, chunks, chunksDone, items, pace } = stage;
  if (state === 'done' || state === 'failed') return null;
  if (items === null)
    return pace.secondsPerChunk === null
      ? null
      : (pace.secondsPerChunk * (chunks - chunksDone)) / Math.max(1, pace.running);
  const perItem = secondsPerItem(stage);
  return perItem === null ? null : (perItem * Math.max(0, items - itemsDone(stage))) / Math.max(1, pace.jobs.length);
}

interface PlannedRun {
  readonly state: RunState;
  readonly steps: number | null;
  readonly config: Pick<RunConfig, 'evaluation' | 'objective' | 'pairing' | 'training'>;
}

export function runProgress(run: PlannedRun, stages: readonly PacedStage[]): ReturnType<typeof counted> | null {
  if (run.steps === null) return null;
  const toCome = versionsToCome(run, stages) + finalsToCome(run, stages);
  return counted(
    stages.reduce((sum, stage) => sum + stageProgress(stage).fraction, 0),
    stages.length + toCome,
  );
}

/**
 * Training and what is measured beside it go on at the same time, by workers of their own; the last evaluation begins when training is
 * done, and takes as long a question as the base's took. Null where a part of it is not known.
 */
export function runSecondsLeft(run: PlannedRun, stages: readonly PacedStage[]): number | null {
  const train = stages.filter(({ kind }) => kind === 'train');
  if (run.state !== 'running' || run.steps === null || train.length === 0) return null;
  const [bases, finals, aligns] = [
    stages.filter(isBaseEvaluation),
    stages.filter((stage) => stage.kind === 'evaluate' && !isBaseEvaluation(stage)),
    stages.filter(({ kind }) => kind === 'align'),
  ];
  const scores = stages.filter(({ kind }) => kind === 'score');
  const training = left(train);
  const evaluated = finals.length > 0 ? left(finals) : wholeAgain(bases, finalsToCome(run, stages));
  const aligned = plus(
    left(scores),
    plus(left(aligns), wholeAgain(aligns, versionsToCome(run, stages), aligns.length)),
  );
  const measured = plus(latest(training, left(bases)), evaluated);
  return latest(measured, aligned);
}

function itemsDone({ kind, pace }: PacedStage): number {
  return pace.itemsDone + pace.jobs.reduce((sum, { progress }) => sum + doneBy(kind, progress), 0);
}

/** What a worker does before its items, or after them, counts for nothing. */
function doneBy(kind: StageRecord['kind'], progress: JobProgress | null): number {
  return progress?.phase === STAGE_WORK[kind].phase ? (progress.done ?? 0) : 0;
}

/** The first items of a stage come late and in one go: until a quarter is done, stages like it have a say too. */
function secondsPerItem(stage: PacedStage): number | null {
  const { pace } = stage;
  const done = itemsDone(stage);
  const seconds = pace.seconds + pace.jobs.reduce((sum, job) => sum + job.seconds, 0);
  const { earlier } = pace;
  if (earlier === null || earlier.items <= 0) return done > 0 ? seconds / done : null;
  const perEarlier = earlier.seconds / earlier.items;
  if (done <= 0) return perEarlier;
  const counted = Math.max(0, (stage.items ?? 0) / 4 - done);
  return (seconds + counted * perEarlier) / (done + counted);
}

const isBaseEvaluation = ({ kind, label }: PacedStage): boolean =>
  kind === 'evaluate' && label.startsWith('evaluate base');

function versionsToCome({ steps, config }: PlannedRun, stages: readonly PacedStage[]): number {
  if (config.pairing.heldOutPairs === 0) return 0;
  const versions = 1 + Math.ceil((steps ?? 0) / config.training.stepsPerSlice);
  return Math.max(0, versions - stages.filter(({ kind }) => kind === 'align').length);
}

function finalsToCome({ config }: PlannedRun, stages: readonly PacedStage[]): number {
  const lengths = new Set(config.evaluation?.documents).size;
  return Math.max(0, lengths - stages.filter((stage) => stage.kind === 'evaluate' && !isBaseEvaluation(stage)).length);
}

function left(stages: readonly PacedStage[]): number | null {
  return stages.reduce<number | null>(
    (sum, stage) => plus(sum, stage.state === 'done' ? 0 : stageSecondsLeft(stage)),
    0,
  );
}

/** So many stages like these, which are so many where it is not all of them. */
function wholeAgain(stages: readonly PacedStage[], count: number, like = count): number | null {
  if (count === 0) return 0;
  if (stages.length === 0) return null;
  const each = stages.reduce<number | null>((sum, stage) => {
    const perItem = secondsPerItem(stage);
    return plus(sum, perItem === null ? null : perItem * (stage.items ?? 0));
  }, 0);
  return each === null ? null : (each * count) / like;
}

const plus = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b);
const latest = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : Math.max(a, b);
const share = ({ done, total }: { readonly done: number; readonly total: number }): number =>
  total === 0 ? 0 : Math.min(1, done / total);
const counted = (done: number, total: number) => ({ done, total, fraction: share({ done, total }) });
