import { client } from './commands/client.command.ts';
import { demo } from './commands/demo.command.ts';
import { down } from './commands/down.command.ts';
import { engine } from './commands/engine.command.ts';
import { up } from './commands/up.command.ts';
import { parseOptions } from './options.ts';
import { SERVICES } from './service.plan.ts';

function run(command: string, args: readonly string[]): Promise<number> {
  switch (command) {
    case 'up':
      return up(parseOptions(args), SERVICES);
    case 'demo':
      return demo(parseOptions(args), SERVICES);
    case 'engine':
      return engine(parseOptions(args));
    case 'down':
      return down(parseOptions(args));
    default:
      return client([command, ...args], SERVICES);
  }
}

const [command = 'help', ...args] = process.argv.slice(2);
try {
  process.exitCode = await run(command, args);
} catch (error) {
  console.error(`solopo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
