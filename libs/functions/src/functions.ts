import type { DeviceChoice, StageKind } from '@solopo/contracts';
import type { App, FunctionSpec } from './function-spec.ts';
import { FUNCTIONS } from './functions.manifest.ts';

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

export function functionsOf(app: App): readonly FunctionSpec[] {
  return Object.values<FunctionSpec>(FUNCTIONS).filter((spec) => spec.app === app);
}
