import { interrupted } from '../interrupt.ts';
import { DATA } from '../data-folders.ts';
import { refuseRest, type LauncherOptions } from '../options.ts';
import { runSystem } from '../run-system.ts';
import type { ServicePlan } from '../service.plan.ts';

export async function up(options: LauncherOptions, plan: ServicePlan): Promise<number> {
  refuseRest('up', options);
  const dataDir = options.data ?? DATA.up;
  const { port, threads, device, layout } = options;
  return runSystem({ dataDir, plan, port, threads, device, layout, echo: true }, async (system, signal) => {
    console.log(`\nSolopo is up at ${system.api} (data in ${dataDir}). Stop it with Ctrl-C or ./solopo down.\n`);
    await interrupted(signal);
    return 0;
  });
}
