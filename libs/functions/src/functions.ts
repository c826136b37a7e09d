import type { DeviceChoice, StageKind } from '@solopo/contracts';
import type { App, FunctionSpec } from './function-spec.ts';
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

/** Where the app's engine computes, unless its configuration says otherwise. */
export function deviceOf(app: App): DeviceChoice {
  return functionsOf(app)[0]?.device ?? 'auto';
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
