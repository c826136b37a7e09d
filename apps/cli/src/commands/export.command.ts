import type { Command } from 'commander';
import { leaf, online, optionsOf, whole } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';
import { exportPolicy } from '../export/export-policy.ts';

interface Values {
  readonly out: string;
  readonly step?: number;
  readonly merge?: boolean;
}

export function exportCommand(context: Context): Command {
  return online(
    leaf('export', "write a run's policy as a folder for other tools, with a model card", [
      'export RUN --out ./policy',
      'export RUN --out ./merged --merge',
      'export RUN --out ./early --step 100',
    ]),
  )
    .argument('<run>', "the run's id")
    .requiredOption(
      '--out <folder>',
      'a new or empty folder: a Hugging Face model, or a PEFT adapter where one was trained',
    )
    .option('--step <n>', 'the policy version of this step (the latest)', whole(1))
    .option('--merge', 'merge an adapter into its base model, so that any tool loads it')
    .action(async (run: string, { out, step, merge = false }: Values, command: Command) => {
      const options = optionsOf(command);
      const say = (line: string) => context.terminal.say(line);
      const exported = await exportPolicy(context.api(options), run, { out, step, merge, say, signal: context.signal });
      const what = { model: 'A Hugging Face model folder', adapter: 'A PEFT adapter folder' }[exported.kind];
      await context.print(options, exported, () => `${what}: ${out} (step ${exported.step})`);
    });
}
