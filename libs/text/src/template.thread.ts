import { extname } from 'node:path';
import { TEMPLATE_LIMITS } from './template.limits.ts';
import type { TemplateReply, TemplateRequest } from './template.messages.ts';
import { WaitedThread } from './waited-thread.ts';

/** For a thread that has died to be missed. */
const SILENCE_MS = 60_000;
const PROGRAM = new URL(`./template.worker${extname(import.meta.url)}`, import.meta.url);

let thread: WaitedThread<TemplateRequest, TemplateReply> | undefined;

/**
 * Has the worker render, and waits for it. A template that takes too long loses its thread, and with it all memory; the
 * next one gets a new thread. Processor time counts, not the clock's: this thread waits, so what the process uses is the
 * rendering's, and a busy machine refuses nothing.
 */
export function renderInThread(request: TemplateRequest): TemplateReply {
  thread ??= new WaitedThread(PROGRAM);
  const usage = process.cpuUsage();
  const silentAt = performance.now() + SILENCE_MS;
  const reply = thread.ask(request, () => {
    const { user, system } = process.cpuUsage(usage);
    return performance.now() < silentAt ? TEMPLATE_LIMITS.timeMs - (user + system) / 1000 : 0;
  });
  if (reply) return reply;
  thread.end();
  thread = undefined;
  return { fault: 'failed', reason: `it runs for more than ${TEMPLATE_LIMITS.timeMs / 1000} seconds` };
}
