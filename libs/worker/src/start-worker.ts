import type { Type } from '@nestjs/common';
import { connectJobs, connectRpc } from '@solopo/bus';
import { worldSize } from '@solopo/contracts';
import { queuesOfApp, type App } from '@solopo/functions';
import { Ledger } from '@solopo/ledger';
import { bootstrap, isLoopback, loadConfig, LocalGuard } from '@solopo/platform';
import { buryJob } from './bury-job.ts';
import { clearTemporaryFolders } from './temporary.folder.ts';
import { workerConfigSchema } from './worker.config.ts';

interface WorkerParts {
  /** Whether it answers questions. */
  readonly rpc?: boolean;
  /** In place of the module where the worker has PyTorch, in one process: it has it among its imports. */
  readonly withTorch?: Type;
}

/** The life of a worker process: it consumes what the functions manifest gives to its app and engines. */
export async function startWorker(
  name: App,
  module: Type,
  { rpc = false, withTorch = module }: WorkerParts = {},
): Promise<void> {
  const config = loadConfig(workerConfigSchema);
  await clearTemporaryFolders();
  await bootstrap({
    name,
    module: config.engines.includes('torch') && worldSize(config) === 1 ? withTorch : module,
    config,
    configure: (app) => {
      if (isLoopback(config.httpHost)) app.useGlobalGuards(new LocalGuard());
      const ledger = app.get(Ledger);
      connectJobs(app, {
        functions: queuesOfApp(name, config.engines, config),
        onDeadLetter: (letter) => buryJob(ledger, letter),
      });
      if (rpc) connectRpc(app, config.natsUrl, name);
    },
  });
}
