import type { StageKind } from '@solopo/contracts';
import type { App, FunctionSpec } from './function-spec.ts';
import { FUNCTIONS } from './functions.manifest.ts';

export const STAGE_KINDS = Object.keys(FUNCTIONS) as readonly StageKind[];

export function functionOf(kind: StageKind): FunctionSpec {
  return FUNCTIONS[kind];
}

export function subjectOf(kind: StageKind): FunctionSpec['subject'] {
  return FUNCTIONS[kind].subject;
}

export function functionsOf(app: App): readonly FunctionSpec[] {
  return Object.values<FunctionSpec>(FUNCTIONS).filter((spec) => spec.app === app);
}
