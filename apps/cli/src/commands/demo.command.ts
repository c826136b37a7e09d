import { writeFile } from 'node:fs/promises';
import { ApiClient } from '../client/api.client.ts';
import { parseDemoOptions, type Corpus, type DemoOptions } from '../demo/demo.options.ts';
import type { DemoPlan } from '../demo/demo.plan.ts';
import { musiquePlan } from '../demo/musique.plan.ts';
import { retrievalPlan } from '../demo/retrieval.plan.ts';
import { runDemo } from '../demo/run-demo.ts';
import { onInterrupt } from '../interrupt.ts';
import { openProgress } from '../progress/progress.ts';
import { demoReport } from '../report/demo.report.ts';
import { UsageError } from '../usage.error.ts';

const PLANS: Readonly<Record<Corpus, (options: DemoOptions) => DemoPlan>> = {
  retrieval: retrievalPlan,
  musique: musiquePlan,
};

export async function demo(args: readonly string[]): Promise<number> {
  const options = parseDemoOptions(args);
  const address = process.env['SOLOPO_API'];
  if (!address) throw new UsageError('SOLOPO_API names no system to talk to; run ./solopo demo, or ./solopo up first.');

  const signal = onInterrupt();
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const plan = PLANS[options.corpus](options);
  say(`${plan.title} (seed ${options.seed})`);
  for (const remark of plan.remarks) say(remark);
  try {
    const result = await runDemo(plan, options, {
      api: new ApiClient(address, { signal }),
      say,
      openProgress: () => openProgress(),
      signal,
    });
    say(`\n${demoReport(result)}`);
    if (options.json !== undefined) {
      await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
      say(`Written to ${options.json}`);
    }
    return 0;
  } catch (error) {
    // However it surfaced, an interrupted demo ended because of the interruption.
    signal.throwIfAborted();
    throw error;
  }
}
