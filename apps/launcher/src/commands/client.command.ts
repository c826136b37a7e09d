import { runClient } from '../client.process.ts';
import { DATA } from '../data-folders.ts';
import { runningLauncher } from '../orphans.ts';
import type { ServicePlan } from '../service.plan.ts';
import { StateFile } from '../state.file.ts';

/** Hands the command to the client, with the address of the system that runs here. */
export function client(args: readonly string[], plan: ServicePlan): Promise<number> {
  const here = Object.values(DATA)
    .map((folder) => new StateFile(folder))
    .find((state) => runningLauncher(state) !== undefined);
  const api = process.env['SOLOPO_API'] ?? here?.read()?.api;
  return runClient(plan.client, args, api === undefined ? {} : { SOLOPO_API: api });
}
