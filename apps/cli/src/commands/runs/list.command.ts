import { RUN_STATES } from '@solopo/contracts';
import { Option, type Command } from 'commander';
import type { RunsQuery } from '../../client/api.client.ts';
import { leaf, online, optionsOf, whole } from '../../command-line/command.ts';
import type { Context } from '../../command-line/context.ts';
import { table } from '../../report/table.ts';

export function listRuns(context: Context): Command {
  return online(leaf('list', 'runs, the latest first', ['runs list', 'runs list --state running --limit 10']))
    .addOption(new Option('--state <state>', 'only runs in this state').choices(RUN_STATES))
    .option('--limit <n>', 'at most so many', whole(1, 1000), 20)
    .action(async ({ state, limit }: Pick<RunsQuery, 'state' | 'limit'>, command: Command) => {
      const options = optionsOf(command);
      const runs = await context.api(options).runs({ ...(limit && { limit }), ...(state && { state }) });
      await context.print(options, runs, () =>
        runs.length === 0
          ? 'There are no runs; start one with solopo runs create -f FILE.'
          : table(
              [
                ['id', 'name', 'arm', 'objective', 'state', 'created', 'step'],
                ...runs.map(({ id, config, state: now, createdAt, step, steps }) => [
                  id,
                  config.name,
                  config.arm,
                  config.objective.kind,
                  now,
                  createdAt.slice(0, 16),
                  steps === null ? '-' : `${step}/${steps}`,
                ]),
              ],
              6,
            ),
      );
    });
}
