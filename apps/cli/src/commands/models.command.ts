import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { group, leaf, offline, online, optionsOf } from '../command-line/command.ts';
import type { CommonOptions, Context } from '../command-line/context.ts';
import { openModelFolder, withModelFolder } from '../models/model-folder.ts';
import { registerModel } from '../models/register-model.ts';
import { describeFolderCheck, refusalOf } from '../report/folder-check.report.ts';
import { describeModel } from '../report/model.report.ts';
import { whole } from '../report/numbers.ts';
import { table } from '../report/table.ts';
import { UsageError } from '../usage.error.ts';

export function models(context: Context): Command {
  return group('models', 'models that runs begin with', [add(context), check(context), list(context), show(context)]);
}

function add(context: Context): Command {
  return online(
    leaf('add', 'register a model folder (Hugging Face layout) or a GGUF file', [
      'models add ./Qwen2.5-0.5B-Instruct',
      'models add ./checkpoint --name qwen-tuned --json',
      'models add SmolLM2-135M-Instruct.Q4_1.gguf --name smollm2-135m-instruct',
    ]),
  )
    .argument(
      '<model>',
      'config.json, tokenizer files, safetensors; a PEFT adapter beside them is merged. Or FILE.gguf, which is dequantised',
    )
    .option('--name <name>', "the name that runs use (the folder's or file's)")
    .action(async (path: string, { name = nameOf(path) }: { name?: string }, command: Command) => {
      const options = optionsOf(command);
      const api = context.api(options);
      const say = (line: string): void => context.terminal.say(line);
      const { checkFolder } = await import('@solopo/lm/model-folder');
      const model = await withModelFolder(openModelFolder(path, say), (folder) =>
        registerModel(api, name, folder, {
          say,
          async before() {
            const checked = await checkFolder(folder);
            const { faults, engines } = checked;
            say(`${describeFolderCheck(checked, { verdict: false })}\n`);
            const isTaken =
              engines.includes('onnx') || (engines.includes('torch') && (await api.engines()).has('torch'));
            if (!isTaken) throw new Error(refusalOf(path, faults));
          },
        }),
      );
      await context.print(options, model, () => describeModel(model));
    });
}

function check(context: Context): Command {
  return offline(
    leaf('check', 'what a model folder or a GGUF file is, and whether it can be registered; needs no running system', [
      'models check ./Qwen2.5-0.5B-Instruct',
      'models check ./checkpoint --json',
      'models check SmolLM2-135M-Instruct.Q4_1.gguf',
    ]),
  )
    .argument('<model>', 'the folder or the file')
    .action(async (path: string, _: unknown, command: Command) => {
      if (!existsSync(path)) throw new UsageError(`${path} is not there; name a model folder or a GGUF file.`);
      const { checkFolder } = await import('@solopo/lm/model-folder');
      const checked = await checkFolder(path);
      await context.print(optionsOf<CommonOptions>(command), checked, () => describeFolderCheck(checked));
      if (checked.engines.length === 0) context.exitCode = 1;
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
                ['name', 'digest', 'family', 'registered', 'weights', 'parameters'],
                ...all.map(({ name, digest, family, createdAt, source, parameters }) => [
                  name,
                  digest.slice(0, 12),
                  family,
                  createdAt.slice(0, 16),
                  source === null ? '' : `${source.format} ${source.file_type}`,
                  whole(parameters),
                ]),
              ],
              5,
            ),
      );
    },
  );
}

function show(context: Context): Command {
  return online(leaf('show', 'one model', ['models show qwen2.5-0.5b-instruct --json']))
    .argument('<model>', 'its name or digest')
    .action(async (nameOrDigest: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const model = await context.api(options).model(nameOrDigest);
      await context.print(options, model, () => describeModel(model));
    });
}

function nameOf(path: string): string {
  return basename(resolve(path)).replace(/\.gguf$/i, '');
}
