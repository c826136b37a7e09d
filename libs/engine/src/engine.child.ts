/** The process that holds onnxruntime: it computes, its parent stays responsive. It ends when its parent does. */
import { SpanKind, startTracing, withSpan } from '@solopo/tracing';
import { TaskRunner } from './task-runner.ts';
import type { FromChild, Progress, ToChild } from './tasks.ts';

const ALIVE_INTERVAL_MS = 500;
const FLUSH_LIMIT_MS = 2000;

let current = 0;
let lastSent = 0;
type Message = FromChild extends infer M ? (M extends FromChild ? Omit<M, 'activity'> : never) : never;
const send = (message: Message): void => {
  process.send?.({ ...message, activity: runner.runtime.takeActivity() });
};
const report = (progress: Progress): void => {
  lastSent = performance.now();
  send({ id: current, kind: 'progress', progress });
};
const runner = new TaskRunner({
  threads: Number(process.env.SOLOPO_THREADS ?? '1'),
  onAlive: () => {
    if (performance.now() - lastSent > ALIVE_INTERVAL_MS) report({ kind: 'alive' });
  },
});
// The parent decides which traces are kept, and tells in the traceparent.
const otlpUrl = process.env.SOLOPO_OTLP_URL ?? '';
const tracing = otlpUrl === '' ? undefined : startTracing({ service: 'engine', otlpUrl, ratio: 1 });

let queue: Promise<unknown> = Promise.resolve(tracing);
process.on('message', ({ id, task, input, traceparent }: ToChild) => {
  queue = queue.then(async () => {
    current = id;
    try {
      const output = await withSpan(`execute ${task}`, { kind: SpanKind.SERVER, parent: traceparent }, async (span) => {
        runner.runtime.beginTask();
        const result = await runner.run(task, input, report);
        span.setAttributes({ 'solopo.session_runs': runner.runtime.taskRuns });
        return result;
      });
      send({ id, kind: 'result', output });
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      send({ id, kind: 'error', name, message });
    }
  });
});
process.on('disconnect', () => {
  setTimeout(() => process.exit(0), FLUSH_LIMIT_MS);
  void Promise.resolve(tracing)
    .then((started) => started?.stop())
    .finally(() => process.exit(0));
});
// Ctrl-C reaches the whole group; the parent decides when the work ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
