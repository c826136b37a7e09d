import { readdir, rm } from 'node:fs/promises';
import { worldSize } from '@solopo/functions';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { CLAIM } from '../folder.claim.ts';
import { interrupted } from '../interrupt.ts';
import { runClient } from '../client.process.ts';
import { DATA } from '../data-folders.ts';
import type { LauncherOptions } from '../options.ts';
import { runSystem } from '../run-system.ts';
import type { ServicePlan } from '../service.plan.ts';
import { installedTorch } from '../torch/torch.folder.ts';

/**
 * The client's demo against a system of its own. Unless a folder is named, it begins with an empty one; the real one keeps its folder,
 * and goes on with what is there.
 */
export async function demo(options: LauncherOptions, plan: ServicePlan): Promise<number> {
  const isReal = options.rest.includes('--real');
  const dataDir = options.data ?? (isReal ? DATA.real : DATA.demo);
  if (asksForTorch(options.rest) && installedTorch(dataDir) === undefined)
    throw new Error(
      'demo --engine torch needs the torch engine, which is not set up; run ./solopo engine add torch first.',
    );
  const begin = async () => {
    const old = (await readdir(dataDir)).filter((name) => name !== CLAIM);
    await Promise.all(old.map((name) => rm(join(dataDir, name), { recursive: true, force: true })));
  };
  const prepare = options.data === undefined && !isReal ? begin : undefined;
  if (worldSize(options.layout) > 1 && !asksForTorch(options.rest))
    throw new Error('demo --ranks is of PyTorch alone; add --engine torch, or leave it out.');
  const { port, threads, device, layout, verbose: echo } = options;
  // A step of a real model takes the trainer half a minute, and the other workers wait for it.
  const loneThreads = isReal ? Math.max(threads, Math.min(2, availableParallelism())) : undefined;
  return runSystem(
    { dataDir, plan, port, threads, loneThreads, device, layout, echo, ...(prepare && { prepare }) },
    async (system, signal) => {
      const downloads = join(dataDir, 'downloads');
      const env = { SOLOPO_API: system.api, SOLOPO_DOWNLOADS: downloads, ...(device && { SOLOPO_DEVICE: device }) };
      if (isReal)
        console.error(
          `Everything is kept in ${dataDir}: run it again and it goes on there; remove the folder to begin anew.`,
        );
      const code = await runClient(plan.client, ['demo', ...options.rest], env, signal);
      if (options.keep && !signal.aborted) {
        console.log(`\nSolopo stays up at ${system.api} (data in ${dataDir}). Stop it with Ctrl-C or ./solopo down.`);
        await interrupted(signal);
      }
      return code;
    },
  );
}

/** Known before anything is started, not when its runs are refused. */
function asksForTorch(args: readonly string[]): boolean {
  return args.some((word, i) => word === '--engine=torch' || (word === 'torch' && args[i - 1] === '--engine'));
}
