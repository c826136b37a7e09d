import type { ArtifactStore } from '@solopo/artifacts';
import { JobContext, type OutboxRelay } from '@solopo/bus';
import type { Ledger } from '@solopo/ledger';
import { expect, it, vi } from 'vitest';
import { JobExecutor } from './job.executor.ts';

vi.mock('@solopo/workflow', () => ({
  beginChunk: () => Promise.resolve({ status: 'ready', execution: {}, spec: {}, range: { from: 0, to: 1 }, items: 1 }),
  completeChunk: () => Promise.resolve('completed'),
}));

it('is done only when the jobs that its commit made are published: the scaler never sees a run without a job', async () => {
  const published = Promise.withResolvers<void>();
  const relay = { flush: vi.fn(() => published.promise) };
  const ledger = { transaction: (work: (tx: unknown) => unknown) => Promise.resolve(work({})) };
  const artifacts = { during: (work: () => unknown) => work() };
  const executor = new JobExecutor(
    ledger as unknown as Ledger,
    relay as unknown as OutboxRelay,
    artifacts as unknown as ArtifactStore,
  );
  const effects = { result: {}, write: () => Promise.resolve() };
  const context = new JobContext({ subject: 'jobs.x', count: 1 }, new AbortController().signal, 1000, 3);
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
