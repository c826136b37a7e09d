import type { Command } from 'commander';
import { leaf, online, optionsOf } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';

export function verify(context: Context): Command {
  return online(
    leaf(
      'verify',
      "recompute a run's chain of step digests, read its artifacts, and name what was altered, added, lost or swapped",
      ['verify RUN', 'verify RUN --json'],
    ),
  )
    .argument('<run>', "the run's id")
    .action(async (run: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const { ok, checks } = await context.api(options).verify(run);
      const width = Math.max(...checks.map(({ name }) => name.length));
      await context.print(options, { ok, checks }, () =>
        checks
          .map((check) => `${check.ok ? 'ok    ' : 'FAILED'}  ${check.name.padEnd(width)}  ${check.detail}`)
          .join('\n'),
      );
      if (!ok) context.exitCode = 1;
    });
}
