import {
  engineOf,
  ENGINES,
  ONE_RANK,
  worldSize,
  type DeviceChoice,
  type EngineKind,
  type RankLayout,
  type StageKind,
  type StageSpec,
} from '@solopo/contracts';
import type { App, FunctionSpec, Queue } from './function-spec.ts';
import { FUNCTIONS } from './functions.manifest.ts';

/** Longer than the ack wait: a process that was held up for a moment loses its job's message, but not its job. */
const LEASE_OF_ACK_WAIT = 5 / 3;

export const STAGE_KINDS = Object.keys(FUNCTIONS) as readonly StageKind[];

export function functionOf(kind: StageKind): FunctionSpec {
  return FUNCTIONS[kind];
}

export function subjectOf(kind: StageKind): FunctionSpec['subject'] {
  return FUNCTIONS[kind].subject;
}

/**
 * `jobs.datagen.sample`, and `jobs.datagen.sample.torch` for what PyTorch computes: only workers that have it take from there, and over
 * several ranks only what ranks can share.
 */
export function queuesOf(
  spec: FunctionSpec,
  engines: readonly EngineKind[] = ENGINES,
  layout: RankLayout = ONE_RANK,
): readonly Queue[] {
  if (!spec.engine) return [{ ...spec, computedBy: null }];
  const able = engines.filter((kind) => kind === 'onnx' || spec.overRanks || worldSize(layout) === 1);
  return able.map((kind) => ({
    ...spec,
    subject: kind === 'onnx' ? spec.subject : `${spec.subject}.${kind}`,
    computedBy: kind,
  }));
}

/** `jobs.datagen.sample.torch` -> `jobs.datagen.sample`: the subject of the function, whichever engine computes it. */
export function functionSubject(subject: string): string {
  return subject.split('.').slice(0, 3).join('.');
}

/** All there are. */
export const QUEUES: readonly Queue[] = Object.values<FunctionSpec>(FUNCTIONS).flatMap((spec) => queuesOf(spec));

/** Where the jobs of a stage wait. */
export function subjectOfStage(spec: StageSpec): FunctionSpec['subject'] {
  const [queue] = queuesOf(functionOf(spec.kind), [engineOf(spec)]);
  return queue?.subject ?? subjectOf(spec.kind);
}

/** Where the app's engine computes, unless its configuration says otherwise. */
export function deviceOf(app: App): DeviceChoice {
  return functionsOf(app)[0]?.device ?? 'auto';
}

/** Where a worker of the app with these engines takes its jobs from, in that order. */
export function queuesOfApp(
  app: App,
  engines: readonly EngineKind[] = ENGINES,
  layout: RankLayout = ONE_RANK,
): readonly Queue[] {
  return functionsOf(app).flatMap((spec) => queuesOf(spec, engines, layout));
}

/** Whether ranks can share all that the app's engine does. */
export function isOverRanks(app: App): boolean {
  return functionsOf(app).every(({ overRanks }) => overRanks);
}

/** In the order in which their jobs are taken. */
export function functionsOf(app: App): readonly FunctionSpec[] {
  return Object.values<FunctionSpec>(FUNCTIONS)
    .filter((spec) => spec.app === app)
    .sort((a, b) => a.priority - b.priority);
}

/** How long a job is its process's that does not renew that. */
export function leaseMsOf(ackWaitMs: number): number {
  return Math.round(ackWaitMs * LEASE_OF_ACK_WAIT);
}
