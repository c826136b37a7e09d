import { Interrupted } from './interrupt.ts';
import { UsageError } from './usage.error.ts';

type Command = (args: readonly string[]) => Promise<number>;

/** Loaded when asked for: the engine is no part of a command that only speaks HTTP. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./commands/demo.command.ts')).demo,
  pretrain: async () => {
    const { pretrain } = await import('./commands/pretrain.command.ts');
    return async (args) => {
      await pretrain(args);
      return 0;
    };
  },
  help: async () => (await import('./commands/help.command.ts')).help,
};

const ALIASES: Readonly<Record<string, string>> = { '--help': 'help', '-h': 'help' };

async function run([name = 'help', ...args]: readonly string[]): Promise<number> {
  const asked = ALIASES[name] ?? (args.includes('--help') ? 'help' : name);
  const load = Object.hasOwn(COMMANDS, asked) ? COMMANDS[asked] : undefined;
  if (load === undefined) throw new UsageError(`There is no command ${name}; ./solopo --help lists them.`);
  return (await load())(args);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  const isUsage = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  return isUsage ? 2 : 1;
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  console.error(`solopo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = exitCodeOf(error);
}
