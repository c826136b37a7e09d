import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats } from './connection.ts';
import { startWorker } from './worker.fixture.ts';

/** Starts each job, says so, and never comes to its end. */
const connection = await connectNats(process.argv[2] ?? '', 'victim');
await startWorker(connection, async (job) => {
  process.stdout.write(`started ${job.id}\n`);
  for (;;) await sleep(1_000_000);
});
process.stdout.write('listening\n');
