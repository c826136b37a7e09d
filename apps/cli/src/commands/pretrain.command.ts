import type { Command } from 'commander';
import { leaf, offline, optionsOf, whole } from '../command-line/command.ts';
import type { CommonOptions, Context } from '../command-line/context.ts';

interface Values {
  readonly out: string;
  readonly seed: number;
  readonly steps: number;
  readonly threads: number;
}

export function pretrainCommand(context: Context): Command {
  return offline(
    leaf('pretrain', 'make the bundled model again', [
      'pretrain --out ./retrieval-144k',
      'pretrain --out ./other --seed 1',
    ]),
  )
    .requiredOption('--out <folder>', 'where it is written')
    .option('--seed <n>', 'repeat it exactly', whole(0, 0xffff_ffff), 0)
    .option('--steps <n>', 'gradient steps', whole(1), 1000)
    .option('--threads <n>', 'threads of the engine', whole(1, 1024), 1)
    .action(async (values: Values, command: Command) => {
      const { pretrain } = await import('../pretrain/pretrain.ts');
      const made = await pretrain({ ...values, say: (line) => context.terminal.say(line) });
      await context.print(optionsOf<CommonOptions>(command), made, () => `A Hugging Face model folder: ${made.folder}`);
    });
}
