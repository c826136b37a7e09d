import type { DeviceChoice, EngineKind } from '@solopo/contracts';

export {
  DEVICE_CHOICES,
  divisorsInWords,
  ENGINES,
  MAX_RANKS,
  ONE_RANK,
  worldSize,
  type DeviceChoice,
  type EngineKind,
  type Pool,
  type RankLayout,
} from '@solopo/contracts';

export const APPS = ['datagen', 'reward', 'trainer'] as const;
export type App = (typeof APPS)[number];

/** How the platform treats one kind of job: consumers, scaling and limits are all derived from this. */
export interface FunctionSpec {
  readonly name: string;
  /** The service whose processes execute it. */
  readonly app: App;
  readonly subject: `jobs.${App}.${string}`;
  /** Whether it computes with the process's numeric engine, which serves one job at a time. One that does without goes on beside it. */
  readonly engine: boolean;
  /** Whether ranks can share it. They score and train together; answers are drawn by one process. */
  readonly overRanks: boolean;
  /** Of the jobs of an app that wait, those with the lowest number are taken first. */
  readonly priority: number;
  /**
   * A job of a process without a sign of life for so long is given to another, which may take it once its lease has run out too
   * (`leaseMsOf`). Short, so that a killed process's job moves on soon; the process beats, not what it computes.
   */
  readonly ackWaitMs: number;
  /** A job that gets no further for so long is aborted and tried again. */
  readonly timeLimitMs: number;
  /**
   * A job of many items that has worked for so long keeps what it has done, and leaves the rest to a next job. Training has its
   * own slices.
   */
  readonly sliceMs: number;
  /** Failed executions before the job is a dead letter. */
  readonly maxAttempts: number;
  /** Wait before the second attempt; it doubles with each further one. */
  readonly retryDelayMs: number;
  /** The functions of an app share its engine, so all name the same one. A service's configuration may name another. */
  readonly device: DeviceChoice;
  /** The next chunk of a stage starts only when the one before it is done. */
  readonly sequential: boolean;
  readonly scale: { readonly min: number; readonly max: number; readonly idleMs: number };
}

/** Where the jobs of a function wait that one kind of engine computes; those that need none, in one of their own. */
export interface Queue extends FunctionSpec {
  readonly computedBy: EngineKind | null;
}
