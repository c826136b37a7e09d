import { APPS, type App } from '@solopo/functions';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { SCALES } from './scales.ts';
import type { Scale } from './scale.policy.ts';

/** Which script is which service. */
export interface ServicePlan {
  readonly migrator: string;
  readonly gateway: string;
  readonly workers: Readonly<Record<App, string>>;
  /** The command line client: not a service, it speaks to the gateway. */
  readonly client: string;
  readonly scales: Readonly<Record<App, Scale>>;
}

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const mainOf = (app: string) => join(ROOT, 'apps', app, 'dist', 'main.js');

export const SERVICES: ServicePlan = {
  migrator: mainOf('migrator'),
  gateway: mainOf('gateway'),
  workers: Object.fromEntries(APPS.map((app) => [app, mainOf(app)])) as Record<App, string>,
  client: mainOf('cli'),
  scales: SCALES,
};
