import { CommanderError } from 'commander';
import { ApiError } from './client/api.error.ts';
import { Context } from './command-line/context.ts';
import { guarded, type Terminal } from './command-line/terminal.ts';
import { Interrupted } from './interrupt.ts';
import { program } from './program.ts';
import { UsageError } from './usage.error.ts';

/** Does what the arguments say; gives the exit code. */
export async function run(args: readonly string[], given: Terminal, interrupt?: () => AbortSignal): Promise<number> {
  const terminal = guarded(given);
  const context = new Context(terminal, interrupt);
  try {
    await program(context).parseAsync(args.length === 0 ? ['--help'] : [...args], { from: 'user' });
    return context.exitCode;
  } catch (caught) {
    if (caught instanceof CommanderError) return caught.exitCode === 0 ? 0 : 2;
    const error = context.interrupted ?? caught;
    terminal.say(
      args.includes('--json') ? JSON.stringify({ error: described(error) }) : `solopo: ${described(error).message}`,
    );
    return exitCodeOf(error);
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  return error instanceof UsageError ? 2 : 1;
}

function described(error: unknown): { readonly message: string; readonly code?: string } {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof ApiError ? { message, code: error.code } : { message };
}
