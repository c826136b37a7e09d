/** The process that holds onnxruntime: it computes, its parent stays responsive. It ends when its parent does. */
import { chooseDevice } from '@solopo/lm';
import { SpanKind, startTracing, withSpan } from '@solopo/tracing';
import { TaskRunner } from './task-runner.ts';
import { readChildOptions } from './child.options.ts';
import { memorySettingsInForce } from './memory-settings.ts';
import type { MeasuredRuntime } from './measured-runtime.ts';
import type { FromChild, Progress, ToChild } from './tasks.ts';

const FLUSH_LIMIT_MS = 2000;

let current = 0;
let runtime: MeasuredRuntime | undefined;
type Message = FromChild extends infer M ? (M extends FromChild ? Omit<M, 'activity'> : never) : never;
const send = (message: Message): void => {
  process.send?.({ ...message, activity: runtime?.takeActivity() });
};
const report = (progress: Progress): void => {
  send({ id: current, kind: 'progress', progress });
};
const { otlpUrl, device: asked, ...options } = readChildOptions(process.env);
// The parent decides which traces are kept, and tells in the traceparent.
const tracing = otlpUrl === undefined ? undefined : startTracing({ service: 'engine', otlpUrl, ratio: 1 });

/** With the first task: what the device is is found out once, and a missing one fails the tasks. */
let started: ReturnType<typeof start> | undefined;
async function start() {
  const chosen = await chooseDevice(asked);
  const runner = new TaskRunner({
    // The driver and its kernels need some of the memory too.
    ...(chosen.memoryBytes !== null && { maxDeviceMemoryBytes: 0.9 * chosen.memoryBytes }),
    ...options,
    device: chosen.device,
    deviceName: chosen.name,
  });
  runtime = runner.runtime;
  const memorySettings = memorySettingsInForce();
  const tell = (): void =>
    send({ kind: 'state', state: { ...chosen, allocatedBytes: runner.runtime.allocated.bytes, memorySettings } });
  tell();
  return { runner, tell };
}

let queue: Promise<unknown> = Promise.resolve(tracing);
process.on('message', ({ id, task, input, traceparent }: ToChild) => {
  queue = queue.then(async () => {
    current = id;
    try {
      started ??= start();
      const { runner, tell } = await started;
      const output = await withSpan(`execute ${task}`, { kind: SpanKind.SERVER, parent: traceparent }, async (span) => {
        runner.runtime.beginTask();
        const result = await runner.run(task, input, report);
        span.setAttributes({ 'solopo.session_runs': runner.runtime.taskRuns });
        return result;
      });
      tell();
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
