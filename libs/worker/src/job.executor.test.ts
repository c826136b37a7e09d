import type { ArtifactStore } from '@solopo/artifacts';
import { JobContext, type OutboxRelay } from '@solopo/bus';
import { SolopoError } from '@solopo/contracts';
import type { Ledger } from '@solopo/ledger';
import { isOutage } from '@solopo/platform';
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

it('that would store artifacts is not begun while there is no room for them: it waits, and is not to blame', async () => {
  const full = new SolopoError('store-full', 'The artifact store is full; make room.');
  const artifacts = { demandRoom: () => Promise.reject(full), during: (work: () => unknown) => work() };
  const ledger = { transaction: vi.fn() };
  const executor = new JobExecutor(
    ledger as unknown as Ledger,
    {} as OutboxRelay,
    artifacts as unknown as ArtifactStore,
  );
  const context = new JobContext({ subject: 'jobs.x', count: 1 }, new AbortController().signal, 1000, 3);
  const execute = vi.fn();
  const job = { id: 'job', stage: 'stage', chunk: 0 };
  await expect(executor.execute(job, context, { storesArtifacts: true, execute })).rejects.toBe(full);
  expect(isOutage(full)).toBe(true);
  expect([ledger.transaction.mock.calls, execute.mock.calls, context.attempt]).toEqual([[], [], 0]);
});
