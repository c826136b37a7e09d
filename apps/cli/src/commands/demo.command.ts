import { writeFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { addressOptions, leaf, optionsOf, whole } from '../command-line/command.ts';
import type { Context, OnlineOptions } from '../command-line/context.ts';
import { CORPORA, demoOptions, type Corpus, type DemoOptions, type DemoValues } from '../demo/demo.options.ts';
import type { DemoPlan } from '../demo/demo.plan.ts';
import { openProgress } from '../progress/progress.ts';
import { demoReport } from '../report/demo.report.ts';

const PLANS: Readonly<Record<Corpus, () => Promise<(options: DemoOptions) => DemoPlan>>> = {
  retrieval: async () => (await import('../demo/retrieval.plan.ts')).retrievalPlan,
  musique: async () => (await import('../demo/musique.plan.ts')).musiquePlan,
};

export function demoCommand(context: Context): Command {
  const command = leaf('demo', 'train three policies of a small model, and compare them', [
    'demo --quick',
    'demo --corpus musique --json result.json',
  ])
    .addOption(
      new Option('--corpus <name>', 'musique: real questions, the real Qwen2.5 tokenizer')
        .choices(CORPORA)
        .default('retrieval'),
    )
    .option('--model <folder>', 'another model folder')
    .option('--quick', 'fewer questions and steps')
    .option('--seed <n>', 'repeat it exactly', whole(0, 0xffff_ffff), 0)
    .option('--json [file]', 'the result as JSON in a file, or on standard output and nothing else there')
    .action(async (values: DemoValues, own: Command) => demo(context, values, optionsOf(own)));
  for (const option of addressOptions()) command.addOption(option);
  return command;
}

async function demo(context: Context, values: DemoValues, online: OnlineOptions): Promise<void> {
  const options = demoOptions(values);
  const api = context.api(online);
  const { signal, terminal } = context;
  const say = (line: string): void => {
    if (values.json === true) terminal.say(line);
    else void terminal.write(`${line}\n`);
  };
  const [{ runDemo }, planOf] = await Promise.all([import('../demo/run-demo.ts'), PLANS[options.corpus]()]);
  const plan = planOf(options);
  say(`${plan.title} (seed ${options.seed})`);
  for (const remark of plan.remarks) say(remark);
  const result = await runDemo(plan, options, { api, say, openProgress: () => openProgress(), signal });
  if (values.json === true) return context.print({ json: true }, result, () => '');
  say(`\n${demoReport(result)}`);
  if (options.json === undefined) return;
  await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  say(`Written to ${options.json}`);
}
