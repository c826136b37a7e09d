import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ApiClient } from '../client/api.client.ts';
import type { ReplayView, Verification } from '../client/api.views.ts';
import { leaf, online, optionsOf, whole } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';
import { replayReport } from '../report/replay.report.ts';
import { UsageError } from '../usage.error.ts';

const POLL_MS = 500;

interface Asked {
  readonly replay?: number;
  readonly seed?: number;
  readonly key?: string;
}

export function verify(context: Context): Command {
  return online(
    leaf(
      'verify',
      "recompute a run's chain of step digests, read its artifacts, and name what was altered, added, lost or swapped; or hold an exported folder against its signed statement",
      ['verify RUN', 'verify RUN --replay 3', 'verify ./policy --key solopo.pub'],
    ),
  )
    .argument('<run>', "the run's id, or the folder of an exported policy, which needs no system")
    .option(
      '--replay <k>',
      'have a trainer take so many random slices again, and demand the same digests',
      whole(1, 1000),
    )
    .option('--seed <n>', 'with --replay: which slices', whole(0, 2 ** 31 - 1))
    .option('--key <file>', "with a folder: the system's public key, which signing-key prints")
    .action(async (run: string, { replay: slices, seed, key }: Asked, command: Command) => {
      const options = optionsOf(command);
      if (isFolder(run)) {
        if (slices !== undefined) throw new UsageError('A folder has nothing to replay; name its run.');
        const { verifyFolder } = await import('../verify/verify-folder.ts');
        const verified = await verifyFolder(run, key);
        await context.print(options, verified, () => checkReport(verified.checks));
        if (!verified.ok) context.exitCode = 1;
        return;
      }
      if (key !== undefined) throw new UsageError(`There is no folder ${run}; --key is for an exported one.`);
      const api = context.api(options);
      const { ok, checks } = await api.verify(run);
      const replay = slices === undefined ? undefined : await replayed(api, context, run, { slices, seed });
      await context.print(options, { ok, checks, ...(replay === undefined ? {} : { replay }) }, () =>
        [checkReport(checks), ...(replay === undefined ? [] : [replayReport(replay)])].join('\n'),
      );
      if (!ok || (replay !== undefined && replay.ok !== true)) context.exitCode = 1;
    });
}

function checkReport(checks: Verification['checks']): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks
    .map((check) => `${check.ok ? 'ok    ' : 'FAILED'}  ${check.name.padEnd(width)}  ${check.detail}`)
    .join('\n');
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** When it has ended. */
async function replayed(
  api: ApiClient,
  { terminal, signal }: Context,
  run: string,
  { slices, seed }: { readonly slices: number; readonly seed: number | undefined },
): Promise<ReplayView> {
  let replay = await api.createReplay(run, { slices, ...(seed === undefined ? {} : { seed }) });
  terminal.say(`A trainer takes the slices ${replay.slices.join(', ')} again; they are a job like others.`);
  while (replay.state === 'pending' || replay.state === 'running') {
    await sleep(POLL_MS, undefined, { signal });
    replay = await api.replay(run, replay.id);
  }
  return replay;
}
