import { writeFile } from 'node:fs/promises';
import { ENGINES } from '@solopo/contracts';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { addressOptions, leaf, optionsOf, whole } from '../command-line/command.ts';
import type { Context, OnlineOptions } from '../command-line/context.ts';
import {
  CORPORA,
  DEMO_ARMS,
  DEMO_OBJECTIVES,
  demoOptions,
  type Corpus,
  type DemoArm,
  type DemoOptions,
  type DemoValues,
  type RealCorpus,
} from '../demo/demo.options.ts';
import { TEXT_NAMES } from '../demo/text-names.ts';
import type { DemoPlan } from '../demo/demo.plan.ts';
import { openProgress } from '../progress/progress.ts';
import { demoReport } from '../report/demo.report.ts';

const PLANS: Readonly<Record<Corpus, () => Promise<(options: DemoOptions) => DemoPlan>>> = {
  retrieval: async () => (await import('../demo/retrieval.plan.ts')).retrievalPlan,
  musique: () => textPlan('musique'),
  hotpotqa: () => textPlan('hotpotqa'),
  '2wiki': () => textPlan('2wiki'),
};

async function textPlan(corpus: RealCorpus): Promise<(options: DemoOptions) => DemoPlan> {
  const { corpusPlan } = await import('../demo/corpus.plan.ts');
  return (options) => corpusPlan(corpus, options);
}

async function realPlan(): Promise<(options: DemoOptions) => DemoPlan> {
  return (await import('../demo/real.plan.ts')).realPlan;
}

export function demoCommand(context: Context): Command {
  const command = leaf('demo', 'train three policies of a small model, and compare them', [
    'demo --quick',
    'demo --real --json result.json',
    'demo --corpus musique --json result.json',
    'demo --corpus hotpotqa --objective simpo --lora --arms short,solo --tokenizer smollm2',
  ])
    .addOption(
      new Option('--corpus <name>', 'retrieval is made up; the others are real questions over real paragraphs')
        .choices(CORPORA)
        .default('retrieval'),
    )
    .addOption(
      new Option(
        '--real',
        'SmolLM2-135M-Instruct, fetched once, on 2WikiMultihopQA; what an interrupted one did is kept',
      ).conflicts(['corpus', 'tokenizer', 'lora']),
    )
    .option('--model <path>', 'another model folder or GGUF file')
    .addOption(new Option('--arms <names>', `arms to compare, of ${DEMO_ARMS.join(', ')}`).argParser(armsOf))
    .addOption(new Option('--objective <name>', 'the preference objective').choices(DEMO_OBJECTIVES).default('dpo'))
    .addOption(
      new Option('--engine <name>', 'what computes the runs; torch is set up first (./solopo engine add torch)')
        .choices(ENGINES)
        .default('onnx'),
    )
    .option('--lora', 'train a low-rank adapter in place of every parameter')
    .addOption(
      new Option('--tokenizer <name>', 'of the random model for real text').choices(TEXT_NAMES).default('qwen2.5'),
    )
    .option('--quick', 'fewer questions and steps')
    .addOption(
      new Option('--downloads <folder>', 'for what is fetched; the launcher tells').env('SOLOPO_DOWNLOADS').hideHelp(),
    )
    .addOption(new Option('--device <name>', "the workers'; the launcher tells").env('SOLOPO_DEVICE').hideHelp())
    .option('--seed <n>', 'repeat it exactly', whole(0, 0xffff_ffff), 0)
    .option('--json [file]', 'the result as JSON in a file, or on standard output and nothing else there')
    .action(async ({ device, ...values }: DemoValues & { readonly device?: string }, own: Command) =>
      demo(context, { ...values, softwareDriver: await softwareDriverOf(device) }, optionsOf(own)),
    );
  for (const option of addressOptions()) command.addOption(option);
  return command;
}

function armsOf(value: string): readonly DemoArm[] {
  const names = value.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !DEMO_ARMS.includes(name as DemoArm));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${DEMO_ARMS.join(', ')}.`);
  return [...new Set(names)] as DemoArm[];
}

/** The driver in software that a device stands for on this machine. */
async function softwareDriverOf(device: string | undefined): Promise<string | null> {
  return device === 'webgpu' ? (await import('@solopo/lm')).softwareDriver() : null;
}

async function demo(context: Context, values: DemoValues, online: OnlineOptions): Promise<void> {
  const options = demoOptions(values);
  const api = context.api(online);
  const { signal, terminal } = context;
  const say = (line: string): void => {
    if (values.json === true) terminal.say(line);
    else void terminal.write(`${line}\n`);
  };
  const planned = options.real ? realPlan() : PLANS[options.corpus]();
  const [{ runDemo }, planOf] = await Promise.all([import('../demo/run-demo.ts'), planned]);
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
