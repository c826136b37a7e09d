import type { Command } from 'commander';
import { leaf, online, optionsOf, whole } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';

interface Values {
  readonly delete?: boolean;
  readonly grace: number;
}

export function gc(context: Context): Command {
  return online(
    leaf('gc', 'how many artifacts nothing refers to, and with --delete removes them', ['gc', 'gc --delete']),
  )
    .option('--delete', 'remove them; without it nothing is changed')
    .option('--grace <hours>', 'keep what was stored later than so long ago', whole(1, 100_000), 24)
    .action(async ({ delete: removes = false, grace }: Values, command: Command) => {
      const options = optionsOf(command);
      const garbage = await context.api(options).collectGarbage({ dryRun: !removes, graceHours: grace });
      const { unneeded, bytes, fresh, referenced, dryRun } = garbage;
      const left = `${referenced} are referred to, and ${fresh} were stored less than ${grace} h ago`;
      await context.print(options, garbage, () =>
        dryRun
          ? `${unneeded} artifacts of ${bytes} bytes are needed by nothing; ${left}. solopo gc --delete removes them.`
          : `${unneeded} artifacts of ${bytes} bytes are removed; ${left}.`,
      );
    });
}
