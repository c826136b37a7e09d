/** The process that holds onnxruntime: it computes, its parent stays responsive. It ends when its parent does. */
import { chooseDevice } from '@solopo/lm';
import { TaskRunner } from './task-runner.ts';
import { readChildOptions } from './child.options.ts';
import type { FromChild, Progress, ToChild } from './tasks.ts';

const ALIVE_INTERVAL_MS = 500;

let current = 0;
let lastSent = 0;
const send = (message: FromChild): void => void process.send?.(message);
const report = (progress: Progress): void => {
  lastSent = performance.now();
  send({ id: current, kind: 'progress', progress });
};
const onAlive = (): void => {
  if (performance.now() - lastSent > ALIVE_INTERVAL_MS) report({ kind: 'alive' });
};

/** With the first task: what the device is is found out once, and a missing one fails the tasks. */
let started: ReturnType<typeof start> | undefined;
async function start() {
  const { device: asked, ...options } = readChildOptions(process.env);
  const chosen = await chooseDevice(asked);
  const runner = new TaskRunner({
    // The driver and its kernels need some of the memory too.
    ...(chosen.memoryBytes !== null && { maxDeviceMemoryBytes: 0.9 * chosen.memoryBytes }),
    ...options,
    device: chosen.device,
    onAlive,
  });
  const tell = (): void =>
    send({ kind: 'state', state: { ...chosen, allocatedBytes: runner.runtime.allocated.bytes } });
  tell();
  return { runner, tell };
}

let queue = Promise.resolve();
process.on('message', ({ id, task, input }: ToChild) => {
  queue = queue.then(async () => {
    current = id;
    try {
      started ??= start();
      const { runner, tell } = await started;
      const output = await runner.run(task, input, report);
      tell();
      send({ id, kind: 'result', output });
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      send({ id, kind: 'error', name, message });
    }
  });
});
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the parent decides when the work ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
