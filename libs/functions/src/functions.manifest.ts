import type { StageKind } from '@solopo/contracts';
import type { FunctionSpec } from './function-spec.ts';

const MINUTE_MS = 60_000;

/** What the run waits for goes before what only measures it. */
const [NEEDED, MEASURED] = [0, 1];

const datagen = {
  app: 'datagen',
  engine: true,
  overRanks: false,
  priority: NEEDED,
  ackWaitMs: 6000,
  timeLimitMs: 15 * MINUTE_MS,
  sliceMs: 2 * MINUTE_MS,
  maxAttempts: 5,
  retryDelayMs: 1000,
  device: 'auto',
  sequential: false,
  scale: { min: 0, max: 2, idleMs: 8000 },
} as const;

const reward = { ...datagen, app: 'reward', overRanks: true, scale: { min: 0, max: 1, idleMs: 8000 } } as const;

const trainer = {
  ...datagen,
  app: 'trainer',
  overRanks: true,
  timeLimitMs: 60 * MINUTE_MS,
  sequential: true,
  scale: { min: 0, max: 1, idleMs: 8000 },
} as const;

/** No run waits for it: it gives the engine back soon, in case one waits for something else. */
const measured = { priority: MEASURED, sliceMs: 20_000 } as const;

/** One function per kind of stage: the only place that says who executes what, and how. */
export const FUNCTIONS = {
  compose: { ...datagen, name: 'compose', subject: 'jobs.datagen.compose', engine: false },
  sample: { ...datagen, name: 'sample', subject: 'jobs.datagen.sample' },
  pair: { ...datagen, name: 'pair', subject: 'jobs.datagen.pair', engine: false },
  score: { ...reward, name: 'score', subject: 'jobs.reward.score' },
  train: { ...trainer, name: 'train', subject: 'jobs.trainer.train' },
  replay: { ...trainer, name: 'replay', subject: 'jobs.trainer.replay', priority: MEASURED, sequential: false },
  align: { ...reward, name: 'align', subject: 'jobs.reward.align', ...measured },
  evaluate: { ...datagen, name: 'evaluate', subject: 'jobs.datagen.evaluate', ...measured },
} as const satisfies Record<StageKind, FunctionSpec>;
