import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NOTHING, startLeaseWorker } from './lease.fixture.ts';

/** Works on each job until a file is there, and tells what becomes of it. */
const [databaseUrl = '', natsUrl = '', artifacts = '', file = ''] = process.argv.slice(2);
const tell = (line: string): void => void process.stdout.write(`${line}\n`);
await startLeaseWorker({
  databaseUrl,
  natsUrl,
  artifacts,
  report: ({ outcome }) => tell(`outcome ${outcome}`),
  work: {
    execute: async () => {
      tell('began');
      while (!existsSync(file)) await sleep(20);
      return NOTHING;
    },
  },
});
