import type { Command } from 'commander';
import type { ApiClient } from '../../client/api.client.ts';
import { leaf, online, optionsOf } from '../../command-line/command.ts';
import type { CommonOptions, Context } from '../../command-line/context.ts';
import { RunFailedError } from '../../demo/follow-runs.ts';
import { openProgress } from '../../progress/progress.ts';
import { runReport } from '../../report/run.report.ts';
import { patient } from '../../watch/patient.ts';
import { readFinishedRun } from '../../watch/read-finished-run.ts';
import { watchRun } from '../../watch/watch-run.ts';

export function watch(context: Context): Command {
  return online(
    leaf('watch', 'show how a run goes until it has ended, then what came of it', [
      'runs watch RUN',
      'runs watch RUN --json > result.json',
    ]),
  )
    .argument('<run>', "the run's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      await watchToTheEnd(context, context.api(options), id, options);
    });
}

/** Progress on standard error, the result on standard output. A run that ends otherwise than well is an error. */
export async function watchToTheEnd(
  context: Context,
  api: ApiClient,
  id: string,
  options: CommonOptions,
): Promise<void> {
  const say = (line: string) => context.terminal.say(line);
  const run = await watchRun(api, id, { signal: context.signal, progress: openProgress(), say });
  const finished = await readFinishedRun(patient(api, say).api, run);
  await context.print(options, finished, () => `\n${runReport(finished).trimEnd()}`);
  if (run.state !== 'succeeded') throw new RunFailedError(run);
}
