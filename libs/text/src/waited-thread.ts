import type { MessagePort } from 'node:worker_threads';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';

/** For a thread to start. */
const START_MS = 60_000;
/** Of sources, types are stripped as they are read, of which Node.js would warn each time. */
const EXEC_ARGV = import.meta.url.endsWith('.ts') ? ['--disable-warning=ExperimentalWarning'] : [];

export interface WaitedWorkerData {
  readonly port: MessagePort;
  /** Counts what the worker has done: its start, then its replies. */
  readonly done: Int32Array;
}

/** A thread that is asked one thing at a time by another that waits for the answer. */
export class WaitedThread<Request, Reply> {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #done: Int32Array;

  constructor(program: URL, data: object = {}) {
    const { port1, port2 } = new MessageChannel();
    const done = new Int32Array(new SharedArrayBuffer(4));
    const workerData: WaitedWorkerData = { ...data, port: port2, done };
    const worker = new Worker(program, { workerData, transferList: [port2], execArgv: EXEC_ARGV, env: {} });
    // A worker that dies answers nothing more: the wait for its answer ends, and says so.
    worker.on('error', () => undefined);
    worker.unref();
    port1.unref();
    if (Atomics.wait(done, 0, 0, START_MS) === 'timed-out') throw new Error(`${program.pathname} does not start.`);
    [this.#worker, this.#port, this.#done] = [worker, port1, done];
  }

  /** `patience` is asked again and again how many more milliseconds to wait; `undefined` when it says none. */
  ask(request: Request, patience: () => number): Reply | undefined {
    const before = Atomics.load(this.#done, 0);
    this.#port.postMessage(request);
    for (let leftMs = patience(); leftMs > 0; leftMs = patience()) {
      Atomics.wait(this.#done, 0, before, Math.max(leftMs, 20));
      const reply = receiveMessageOnPort(this.#port) as { readonly message: Reply } | undefined;
      if (reply) return reply.message;
    }
    return undefined;
  }

  end(): void {
    void this.#worker.terminate();
  }
}

/** What a worker does from its start on. */
export function answerIn<Request, Reply>(
  { port, done }: WaitedWorkerData,
  answer: (request: Request) => Reply | Promise<Reply>,
): void {
  const tick = (): void => {
    Atomics.add(done, 0, 1);
    Atomics.notify(done, 0);
  };
  port.on('message', (request: Request) => {
    void Promise.resolve(answer(request)).then((reply) => {
      port.postMessage(reply);
      tick();
    });
  });
  tick();
}
