import { rm } from 'node:fs/promises';
import { interrupted } from '../interrupt.ts';
import { runClient } from '../client.process.ts';
import { DATA } from '../data-folders.ts';
import type { LauncherOptions } from '../options.ts';
import { runSystem } from '../run-system.ts';
import type { ServicePlan } from '../service.plan.ts';

/** The client's demo against a system of its own. Unless a folder is named, it begins with an empty one. */
export async function demo(options: LauncherOptions, plan: ServicePlan): Promise<number> {
  const dataDir = options.data ?? DATA.demo;
  const prepare = options.data === undefined ? () => rm(dataDir, { recursive: true, force: true }) : undefined;
  const { port, threads, device, verbose: echo } = options;
  return runSystem(
    { dataDir, plan, port, threads, device, echo, ...(prepare && { prepare }) },
    async (system, signal) => {
      const env = { SOLOPO_API: system.api, ...(device && { SOLOPO_DEVICE: device }) };
      const code = await runClient(plan.client, ['demo', ...options.rest], env, signal);
      if (options.keep && !signal.aborted) {
        console.log(`\nSolopo stays up at ${system.api} (data in ${dataDir}). Stop it with Ctrl-C or ./solopo down.`);
        await interrupted(signal);
      }
      return code;
    },
  );
}
