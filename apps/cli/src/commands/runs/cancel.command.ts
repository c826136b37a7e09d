import type { Command } from 'commander';
import { leaf, online, optionsOf } from '../../command-line/command.ts';
import type { Context } from '../../command-line/context.ts';

export function cancelRun(context: Context): Command {
  return online(leaf('cancel', 'end a running run; what it has made is kept', ['runs cancel RUN']))
    .argument('<run>', "the run's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const run = await context.api(options).cancelRun(id);
      await context.print(options, run, () => `Run ${run.id} is ${run.state}.`);
    });
}
