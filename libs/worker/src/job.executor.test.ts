import type { JobContext, OutboxRelay } from '@solopo/bus';
import type { Ledger } from '@solopo/ledger';
import { expect, it, vi } from 'vitest';
import { JobExecutor } from './job.executor.ts';

vi.mock('@solopo/workflow', () => ({
  beginChunk: () => Promise.resolve({ status: 'ready', spec: {}, range: { from: 0, to: 1 }, items: 1 }),
  completeChunk: () => Promise.resolve('done'),
}));

it('is done only when the jobs that its commit made are published: the scaler never sees a run without a job', async () => {
  const published = Promise.withResolvers<void>();
  const relay = { flush: vi.fn(() => published.promise) };
  const transaction = (work: (tx: unknown) => unknown) =>
    Promise.resolve(work({ attempts: { start: () => undefined } }));
  const ledger = { transaction, attempts: { finish: () => Promise.resolve() } };
  const executor = new JobExecutor(ledger as unknown as Ledger, relay as unknown as OutboxRelay);
  const effects = { result: {}, write: () => Promise.resolve() };
  const context = { attempt: 1, signal: new AbortController().signal } as JobContext;
  let isDone = false;
  const work = executor
    .execute({ id: 'job', stage: 'stage', chunk: 0 }, context, {
      execute: () => Promise.resolve(effects),
    })
    .then(() => (isDone = true));
  await vi.waitFor(() => expect(relay.flush).toHaveBeenCalled());
  await new Promise(setImmediate);
  expect(isDone).toBe(false);
  published.resolve();
  await work;
});
