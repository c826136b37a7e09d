import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats } from './connection.ts';
import { startWorker } from './worker.fixture.ts';

/** Starts each job, says so, and never comes to its end. */
const connection = await connectNats(process.argv[2] ?? '', 'victim');
await startWorker(connection, async (job, context) => {
  process.stdout.write(`started ${job.id}\n`);
  for (;;) {
    await sleep(50);
    context.working();
  }
});
process.stdout.write('listening\n');
