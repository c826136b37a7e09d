import type { Command } from 'commander';
import { group, leaf, offline, optionsOf } from '../command-line/command.ts';
import type { CommonOptions, Context } from '../command-line/context.ts';

interface Values {
  readonly weights: string;
  readonly tokenizer: string;
  readonly out: string;
}

export function convert(context: Context): Command {
  return group('convert', 'other formats of models, as Hugging Face folders', [llama2c(context), gguf(context)]);
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

function gguf(context: Context): Command {
  return offline(
    leaf('gguf', 'a model of llama.cpp, its tensors dequantised to float32', [
      'convert gguf SmolLM2-135M-Instruct.Q4_1.gguf --out ./smollm2-135m-instruct',
    ]),
  )
    .argument('<file>', 'the GGUF file')
    .requiredOption('--out <folder>', 'a new or empty folder')
    .action(async (file: string, { out }: { readonly out: string }, command: Command) => {
      const { convertGguf } = await import('../convert/convert-gguf.ts');
      const converted = await convertGguf({ file, out });
      const { file_type: type } = converted.source;
      await context.print(
        optionsOf<CommonOptions>(command),
        converted,
        () => `A Hugging Face model folder, dequantised from GGUF ${type}: ${out}; solopo generate ${out} tries it.`,
      );
    });
}
