import { APPS, functionsOf, type App } from '@solopo/functions';
import type { Scale } from './scale.policy.ts';

/** An app scales as the most demanding of its functions. */
export function scaleOf(app: App): Scale {
  const scales = functionsOf(app).map((spec) => spec.scale);
  const most = (key: keyof Scale) => Math.max(...scales.map((scale) => scale[key]));
  return { min: most('min'), max: most('max'), idleMs: most('idleMs') };
}

export const SCALES = Object.fromEntries(APPS.map((app) => [app, scaleOf(app)])) as Record<App, Scale>;
