import { join } from 'node:path';
import { ROOT } from './service.plan.ts';

/** Where each command keeps everything, unless `--data` names a folder. */
export const DATA = {
  up: join(ROOT, '.solopo', 'data'),
  demo: join(ROOT, '.solopo', 'demo'),
  /** Of `demo --real`, which goes on where it was. */
  real: join(ROOT, '.solopo', 'real'),
} as const;
