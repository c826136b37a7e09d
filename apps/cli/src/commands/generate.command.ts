import type { Command } from 'commander';
import { leaf, offline, optionsOf, whole } from '../command-line/command.ts';
import type { CommonOptions, Context } from '../command-line/context.ts';

interface Values {
  readonly prompt: string;
  readonly chat?: boolean;
  readonly maxNewTokens: number;
  readonly threads: number;
}

export function generateCommand(context: Context): Command {
  return offline(
    leaf('generate', 'let a model folder go on with a text, always by the likeliest token', [
      'generate ./stories260k --max-new-tokens 80',
      'generate ./merged --chat --prompt "Who wrote Emma?"',
    ]),
  )
    .argument('<folder>', 'a Hugging Face model folder; a PEFT adapter beside it is merged')
    .option('--prompt <text>', 'what it goes on with (where texts have a first token, that alone)', '')
    .option('--chat', "put the prompt into the model's chat template as a user's message")
    .option('--max-new-tokens <n>', 'at most so many', whole(1, 100_000), 64)
    .option('--threads <n>', 'threads of the engine', whole(1, 1024), 1)
    .action(async (folder: string, values: Values, command: Command) => {
      const { generate } = await import('../generate/generate.ts');
      const generated = await generate({ folder, chat: false, ...values });
      await context.print(optionsOf<CommonOptions>(command), generated, () => generated.text);
    });
}
