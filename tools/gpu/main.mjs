// npm run gpu -- nodes | report | pack: see docs/gpu.md
import { nodes } from './nodes.mjs';
import { pack } from './pack.mjs';
import { report } from './report.mjs';

const COMMANDS = { nodes, report, pack };
const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (!command) {
  console.error(`choose ${Object.keys(COMMANDS).join(', ')}; docs/gpu.md says what they do`);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = await command(args);
  } catch (error) {
    console.error(`gpu ${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
