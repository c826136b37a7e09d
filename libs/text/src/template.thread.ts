import { extname } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { TEMPLATE_LIMITS } from './template.limits.ts';
import type { TemplateReply, TemplateRequest, TemplateWorkerData } from './template.messages.ts';

/** For the thread to start, and for one that has died to be missed. */
const SILENCE_MS = 60_000;

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly done: Int32Array;
}

let thread: Thread | undefined;

/**
 * Has the worker render, and waits for it. A template that takes too long loses its thread, and with it all memory; the
 * next one gets a new thread. Processor time counts, not the clock's: this thread waits, so what the process uses is the
 * rendering's, and a busy machine refuses nothing.
 */
export function renderInThread(request: TemplateRequest): TemplateReply {
  thread ??= start();
  const { worker, port, done } = thread;
  const before = Atomics.load(done, 0);
  port.postMessage(request);
  const usage = process.cpuUsage();
  const silentAt = performance.now() + SILENCE_MS;
  for (let leftMs: number = TEMPLATE_LIMITS.timeMs; leftMs > 0 && performance.now() < silentAt;) {
    Atomics.wait(done, 0, before, Math.max(leftMs, 20));
    const reply = receiveMessageOnPort(port) as { readonly message: TemplateReply } | undefined;
    if (reply) return reply.message;
    const { user, system } = process.cpuUsage(usage);
    leftMs = TEMPLATE_LIMITS.timeMs - (user + system) / 1000;
  }
  thread = undefined;
  void worker.terminate();
  return { fault: 'failed', reason: `it runs for more than ${TEMPLATE_LIMITS.timeMs / 1000} seconds` };
}

function start(): Thread {
  const { port1, port2 } = new MessageChannel();
  const done = new Int32Array(new SharedArrayBuffer(4));
  const workerData: TemplateWorkerData = { port: port2, done };
  const worker = new Worker(new URL(`./template.worker${extname(import.meta.url)}`, import.meta.url), {
    workerData,
    transferList: [port2],
    execArgv: [],
    env: {},
  });
  // A worker that dies answers nothing more: the wait for its answer ends, and says so.
  worker.on('error', () => undefined);
  worker.unref();
  port1.unref();
  if (Atomics.wait(done, 0, 0, SILENCE_MS) === 'timed-out') throw new Error('The chat template worker does not start.');
  return { worker, port: port1, done };
}
