import type { RunConfig, StageSpec } from '@solopo/contracts';

export const STAGE_STATES = ['pending', 'running', 'done', 'failed'] as const;
export type StageState = (typeof STAGE_STATES)[number];

/** Counts that a stage's chunks left behind, added up. */
export type StageResult = Readonly<Record<string, unknown>>;

export interface StageFacts {
  readonly spec: StageSpec;
  readonly state: StageState;
  readonly result: StageResult | null;
}

/** All that decides what a run does next. */
export interface RunFacts {
  readonly run: {
    readonly id: string;
    readonly config: RunConfig;
    /** Digests of what the configuration names. */
    readonly model: string;
    readonly dataset: string;
    readonly evaluationDataset: string | null;
  };
  /** The stages that the run is subscribed to, by digest. */
  readonly stages: ReadonlyMap<string, StageFacts>;
  /** Policy versions published so far. */
  readonly versions: readonly PolicyVersion[];
}

export interface PolicyVersion {
  readonly step: number;
  readonly digest: string;
}
