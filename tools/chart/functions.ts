import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { consumerName, WANTED, WORK, wishConsumerName, wishSubject } from '@solopo/bus';
import { APPS, functionsOf, queuesOfApp, type App, type FunctionSpec, type Queue } from '@solopo/functions';
import { ROOT } from '../bootstrap/run.mjs';

/** What the chart must know of the function manifest, by app: helm/solopo/files/functions.json. */
export function functionsForChart() {
  return {
    stream: WORK,
    apps: Object.fromEntries(
      APPS.map((app) => [
        app,
        { scale: scaleOf(functionsOf(app)), ...answersOf(app), functions: queuesOfApp(app).map(describe) },
      ]),
    ),
  };
}

/** One for each queue of a function: the jobs of each engine wait apart. */
function describe(spec: Queue) {
  const { name, subject, engine, computedBy, priority, device, ackWaitMs, timeLimitMs } = spec;
  return { name, subject, consumer: consumerName(spec), engine, computedBy, priority, device, ackWaitMs, timeLimitMs };
}

/** An app scales as the most demanding of its functions, as it does in the launcher. */
function scaleOf(functions: readonly FunctionSpec[]) {
  const most = (key: keyof FunctionSpec['scale']) => Math.max(...functions.map(({ scale }) => scale[key]));
  return { min: most('min'), max: most('max'), idleMs: most('idleMs') };
}

/** Who answers questions is wanted also where there is no job. */
function answersOf(app: App) {
  const questions = questionsOf(app);
  if (questions.length === 0) return { questions };
  return { questions, wish: { stream: WANTED, subject: wishSubject(app), consumer: wishConsumerName(app) } };
}

/** The subjects of questions that an app answers: its `@MessagePattern('subject', Transport.NATS)`. */
function questionsOf(app: App): readonly string[] {
  const folder = join(ROOT, 'apps', app, 'src');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const subjects = sources.flatMap((name) =>
    [...readFileSync(join(folder, name), 'utf8').matchAll(/@MessagePattern\('([^']+)', Transport\.NATS\)/g)].map(
      ([, subject]) => subject!,
    ),
  );
  return subjects.sort();
}
