import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { parse } from 'node:path';
import { DATASET_FORMATS, type DatasetFormat } from '@solopo/contracts';
import { Option, type Command } from 'commander';
import { group, leaf, online, optionsOf } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';
import { describeDataset } from '../report/dataset.report.ts';
import { whole } from '../report/numbers.ts';
import { table } from '../report/table.ts';
import { UsageError } from '../usage.error.ts';

export function datasets(context: Context): Command {
  return group('datasets', 'questions with their documents', [importFile(context), list(context)]);
}

function importFile(context: Context): Command {
  return online(
    leaf('import', 'import a file of JSON lines, or of one JSON array; lines that cannot be read are reported', [
      'datasets import musique_ans_train.jsonl --format musique',
      'datasets import questions.jsonl --name questions',
    ]),
  )
    .argument('<file>', 'one JSON object a line, or one array of them')
    .option('--name <name>', "the name that runs use (the file's)")
    .addOption(new Option('--format <format>', 'what the lines are').choices(DATASET_FORMATS).default('solopo'))
    .action(async (file: string, values: { name?: string; format: DatasetFormat }, command: Command) => {
      const options = optionsOf(command);
      const { name = parse(file).name, format } = values;
      await access(file).catch(() => {
        throw new UsageError(`${file} cannot be read; name an existing file.`);
      });
      const stream = () => createReadStream(file) as AsyncIterable<Uint8Array>;
      const dataset = await context.api(options).importDataset(name, format, stream);
      await context.print(options, dataset, () => `${describeDataset(dataset)}\n${dataset.digest}`);
    });
}

function list(context: Context): Command {
  return online(leaf('list', 'all data sets', ['datasets list', 'datasets list --json'])).action(
    async (_: unknown, command: Command) => {
      const options = optionsOf(command);
      const all = await context.api(options).datasets();
      await context.print(options, all, () =>
        all.length === 0
          ? 'There are no data sets; import one with solopo datasets import FILE.'
          : table(
              [
                ['name', 'digest', 'format', 'imported', 'examples', 'refused'],
                ...all.map(({ name, digest, format, createdAt, examples, rejectedCount }) => [
                  name,
                  digest.slice(0, 12),
                  format,
                  createdAt.slice(0, 16),
                  whole(examples),
                  whole(rejectedCount),
                ]),
              ],
              4,
            ),
      );
    },
  );
}
