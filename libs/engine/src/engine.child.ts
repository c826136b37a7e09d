/** The process that holds onnxruntime: it computes, its parent stays responsive. It ends when its parent does. */
import { TaskRunner } from './task-runner.ts';
import type { FromChild, Progress, ToChild } from './tasks.ts';

const ALIVE_INTERVAL_MS = 500;

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

let queue = Promise.resolve();
process.on('message', ({ id, task, input }: ToChild) => {
  queue = queue.then(async () => {
    current = id;
    try {
      send({ id, kind: 'result', output: await runner.run(task, input, report) });
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
