// From a fresh clone to a running command: dependencies, build and nats-server, each only when it is missing or stale.
// Runs before anything is installed, so it imports nothing but Node.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installDependencies } from './bootstrap/dependencies.mjs';
import { findNatsServer } from './bootstrap/nats-server.mjs';
import { fail, ROOT, run } from './bootstrap/run.mjs';
import { installChartTools } from './bootstrap/chart-tools.mjs';

const [command = 'help', ...args] = process.argv.slice(2);

const SERVERS_FOR = ['up', 'demo', 'test'];

function build() {
  if (!existsSync(join(ROOT, 'apps', 'launcher', 'dist', 'main.js'))) console.error('Building');
  const { status, output } = run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', ROOT]);
  if (status !== 0) fail(`the build failed; mend what it says, then run this again.\n${output}`);
}

async function handOver(file, argv) {
  process.argv = [process.execPath, file, ...argv];
  await import(pathToFileURL(file).href);
}

if (command === 'help') {
  process.stdout.write(readFileSync(join(ROOT, 'tools', 'help.txt'), 'utf8'));
} else {
  installDependencies();
  if (SERVERS_FOR.includes(command)) process.env.SOLOPO_NATS_SERVER = findNatsServer();
  if (command === 'test') {
    if (args.every((filter) => 'tools/chart'.startsWith(filter) || filter.startsWith('tools/chart')))
      installChartTools();
    await handOver(join(ROOT, 'tools', 'test.mjs'), args);
  } else {
    build();
    await handOver(join(ROOT, 'apps', 'launcher', 'dist', 'main.js'), [command, ...args]);
  }
}
