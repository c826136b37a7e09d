import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import { collect, leaf, online, optionsOf } from '../../command-line/command.ts';
import type { Context } from '../../command-line/context.ts';
import { parseSetting, readRunFile } from '../../run-file/run-file.ts';
import { UsageError } from '../../usage.error.ts';
import { watchToTheEnd } from './watch.command.ts';

interface Values {
  readonly file: string;
  readonly set?: readonly string[];
  readonly watch?: boolean;
}

export function createRun(context: Context): Command {
  return online(
    leaf('create', 'start a run that a YAML file describes', [
      'runs create -f run.yaml',
      'runs create -f run.yaml --set arm=short --set training.learningRate=2e-6 --watch',
    ]),
  )
    .requiredOption('-f, --file <file>', 'the run file; - is standard input')
    .option('--set <key=value>', 'another value for a key of the file, as YAML; may be given several times', collect)
    .option('--watch', 'stay until the run has ended, and show what came of it')
    .action(async ({ file, set = [], watch }: Values, command: Command) => {
      const options = optionsOf(command);
      const api = context.api(options);
      const config = readRunFile(await sourceOf(file), file, set.map(parseSetting));
      const run = await api.createRun(config);
      if (watch) {
        context.terminal.say(`Run ${run.id} started`);
        return watchToTheEnd(context, api, run.id, options);
      }
      await context.print(options, run, () => `Run ${run.id} started; solopo runs watch ${run.id} shows how it goes.`);
    });
}

async function sourceOf(file: string): Promise<string> {
  if (file === '-') return readAll(process.stdin);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read; name an existing run file.`, { cause: error });
  }
}
