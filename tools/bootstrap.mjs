// From a fresh clone to a running command: dependencies, build and nats-server, each only when it is missing or stale.
// Runs before anything is installed, so it imports nothing but Node.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installDependencies } from './bootstrap/dependencies.mjs';
import { findNatsServer } from './bootstrap/nats-server.mjs';
import { fetchPgBouncer } from './bootstrap/pgbouncer.mjs';
import { fail, ROOT, run } from './bootstrap/run.mjs';
import { installChartTools } from './bootstrap/chart-tools.mjs';

const [command, ...args] = process.argv.slice(2);

const LAUNCHER = join(ROOT, 'apps', 'launcher', 'dist', 'main.js');
const CLIENT = join(ROOT, 'apps', 'cli', 'dist', 'main.js');
const asksHelp = [command, ...args].some((argument) => argument === '-h' || argument === '--help');

function build() {
  if (!existsSync(LAUNCHER)) console.error('Building');
  const { status, output } = run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', ROOT]);
  // Ctrl-C ended the compiler too.
  if (status === 130) process.exit(130);
  if (status !== 0) fail(`the build failed; mend what it says, then run this again.\n${output}`);
}

async function handOver(file, argv) {
  process.argv = [process.execPath, file, ...argv];
  await import(pathToFileURL(file).href);
}

installDependencies();
if (asksHelp && existsSync(CLIENT)) {
  // The build that is there knows what commands take.
  await handOver(CLIENT, [command, ...args]);
} else if (command === 'test') {
  process.env.SOLOPO_NATS_SERVER = findNatsServer();
  fetchPgBouncer();
  if (args.every((filter) => 'tools/chart'.startsWith(filter) || filter.startsWith('tools/chart'))) installChartTools();
  await handOver(join(ROOT, 'tools', 'test.mjs'), args);
} else {
  if (['up', 'demo'].includes(command)) process.env.SOLOPO_NATS_SERVER = findNatsServer();
  build();
  await handOver(LAUNCHER, [command, ...args]);
}
