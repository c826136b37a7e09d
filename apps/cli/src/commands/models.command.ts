import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { group, leaf, online, optionsOf } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';
import { registerModel } from '../models/register-model.ts';
import { whole } from '../report/numbers.ts';
import { table } from '../report/table.ts';

export function models(context: Context): Command {
  return group('models', 'models that runs begin with', [add(context), list(context)]);
}

function add(context: Context): Command {
  return online(
    leaf('add', 'register a model folder (Hugging Face layout)', [
      'models add ./Qwen2.5-0.5B-Instruct',
      'models add ./checkpoint --name qwen-tuned --json',
    ]),
  )
    .argument('<folder>', 'config.json, tokenizer files, safetensors; a PEFT adapter beside them is merged')
    .option('--name <name>', "the name that runs use (the folder's)")
    .action(async (folder: string, { name = basename(resolve(folder)) }: { name?: string }, command: Command) => {
      const options = optionsOf(command);
      const model = await registerModel(context.api(options), name, folder, (line) => context.terminal.say(line));
      await context.print(
        options,
        model,
        () => `Model ${model.name}: ${model.family}, ${whole(model.parameters)} parameters\n${model.digest}`,
      );
    });
}

function list(context: Context): Command {
  return online(leaf('list', 'all models', ['models list', 'models list --json'])).action(
    async (_: unknown, command: Command) => {
      const options = optionsOf(command);
      const all = await context.api(options).models();
      await context.print(options, all, () =>
        all.length === 0
          ? 'There are no models; register one with solopo models add FOLDER.'
          : table(
              [
                ['name', 'digest', 'family', 'registered', 'parameters'],
                ...all.map(({ name, digest, family, createdAt, parameters }) => [
                  name,
                  digest.slice(0, 12),
                  family,
                  createdAt.slice(0, 16),
                  whole(parameters),
                ]),
              ],
              4,
            ),
      );
    },
  );
}
