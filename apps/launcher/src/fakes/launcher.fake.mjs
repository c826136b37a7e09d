// The real launcher over fake services: `launcher.fake.mjs up|demo WORKER DATA [option...]`. Runs what the build made.
import { fileURLToPath } from 'node:url';
import { demo } from '../../dist/commands/demo.command.js';
import { up } from '../../dist/commands/up.command.js';
import { parseOptions } from '../../dist/options.js';

const [command, worker, data, ...options] = process.argv.slice(2);
const fake = (name) => fileURLToPath(new URL(`${name}.fake.mjs`, import.meta.url));
const plan = {
  migrator: fake('migrator'),
  gateway: fake('gateway'),
  workers: { datagen: fake(worker), reward: fake(worker), trainer: fake(worker) },
  client: fake('client'),
  scales: Object.fromEntries(['datagen', 'reward', 'trainer'].map((app) => [app, { min: 0, max: 1, idleMs: 600 }])),
};

try {
  process.exitCode = await { up, demo }[command](parseOptions([`--data=${data}`, ...options]), plan);
} catch (error) {
  console.error(`solopo: ${error.message}`);
  process.exitCode = 1;
}
