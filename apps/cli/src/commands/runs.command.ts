import type { Command } from 'commander';
import { group } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';
import { cancelRun } from './runs/cancel.command.ts';
import { createRun } from './runs/create.command.ts';
import { listRuns } from './runs/list.command.ts';
import { showRun } from './runs/show.command.ts';
import { watch } from './runs/watch.command.ts';

export function runs(context: Context): Command {
  return group('runs', 'training runs', [
    createRun(context),
    listRuns(context),
    showRun(context),
    watch(context),
    cancelRun(context),
  ]);
}
