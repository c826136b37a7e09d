import type { Command } from 'commander';
import { group, leaf, offline, optionsOf } from '../command-line/command.ts';
import type { CommonOptions, Context } from '../command-line/context.ts';

interface Values {
  readonly weights: string;
  readonly tokenizer: string;
  readonly out: string;
}

export function convert(context: Context): Command {
  return group('convert', 'other formats of models, as Hugging Face folders', [llama2c(context)]);
}

function llama2c(context: Context): Command {
  return offline(
    leaf('llama2c', 'a model of llama2.c', [
      'convert llama2c --weights data/models/stories260k/stories260K.bin --tokenizer data/models/stories260k/tok512.bin --out ./stories260k',
    ]),
  )
    .requiredOption('--weights <file>', 'the model file (version 0)')
    .requiredOption('--tokenizer <file>', 'the tokenizer file')
    .requiredOption('--out <folder>', 'a new or empty folder')
    .action(async (values: Values, command: Command) => {
      const { convertLlama2c } = await import('../convert/convert-llama2c.ts');
      const converted = await convertLlama2c(values);
      await context.print(
        optionsOf<CommonOptions>(command),
        converted,
        () => `A Hugging Face model folder: ${values.out}; solopo generate ${values.out} tries it.`,
      );
    });
}
