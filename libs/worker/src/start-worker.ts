import type { Type } from '@nestjs/common';
import { connectJobs, connectRpc } from '@solopo/bus';
import { functionsOf, type App } from '@solopo/functions';
import { Ledger } from '@solopo/ledger';
import { bootstrap, loadConfig } from '@solopo/platform';
import { buryJob } from './bury-job.ts';
import { workerConfigSchema } from './worker.config.ts';

/** The life of a worker process: it consumes what the functions manifest gives to its app. */
export async function startWorker(name: App, module: Type, { rpc = false } = {}): Promise<void> {
  const config = loadConfig(workerConfigSchema);
  await bootstrap({
    name,
    module,
    config,
    configure: (app) => {
      const ledger = app.get(Ledger);
      connectJobs(app, { functions: functionsOf(name), onDeadLetter: (letter) => buryJob(ledger, letter) });
      if (rpc) connectRpc(app, config.natsUrl, name);
    },
  });
}
