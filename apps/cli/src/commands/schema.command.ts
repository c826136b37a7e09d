import type { Command } from 'commander';
import { leaf, offline } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';
import { runSchema } from '../run-file/run.schema.ts';

export function schema(context: Context): Command {
  return offline(
    leaf('schema', 'the JSON Schema of run files, for editors', ['schema', 'schema > run.schema.json']),
  ).action(async () => {
    await context.print({ json: true }, runSchema(), () => '');
  });
}
