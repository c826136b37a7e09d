import { functionOf, subjectOfStage } from '@solopo/functions';
import type { LedgerTransaction, WantedChunk } from '@solopo/ledger';
import { enqueueAgain } from './jobs.ts';

export type ChunkName = Pick<WantedChunk, 'chunk'> & { readonly stage: string };

/** What the queues hold: read, not taken. A job that a process works on is still held. */
export interface HeldJobs {
  /** Jobs of each subject. */
  counts(): Promise<ReadonlyMap<string, number>>;
  of(subject: string): AsyncIterable<ChunkName>;
}

/** How many jobs of each subject are in the outbox again. */
export type RepublishedJobs = ReadonlyMap<string, number>;

/**
 * Puts into the outbox what the ledger expects on the queues and they lack: the queues lost their store, or its end, or the ledger is
 * one of before. One process at a time; another that asks meanwhile does nothing.
 *
 * A chunk that was wanted, and in no outbox, before the queues were read and still is after that, must be on its queue: a job is
 * acknowledged once its effects are committed. So nothing is published twice that is merely on its way.
 */
export async function republishLost(tx: LedgerTransaction, held: HeldJobs): Promise<RepublishedJobs> {
  if (!(await tx.isAlone('republish lost jobs'))) return new Map();
  const before = await wantedJobs(tx);
  if (before.size === 0) return new Map();
  const counts = await held.counts();
  const steady = await stillWanted(tx, before);
  const lacking = [...bySubject(steady.values())].filter(([subject, jobs]) => (counts.get(subject) ?? 0) < jobs.length);
  if (lacking.length === 0) return new Map();

  const there = new Set<string>();
  for (const [subject] of lacking)
    for await (const { stage, chunk } of held.of(subject)) there.add(keyOf(stage, chunk));
  const suspects = new Map(
    lacking.flatMap(([, jobs]) => jobs.filter((job) => !there.has(job.key)).map((job) => [job.key, job] as const)),
  );
  // Whoever works on a job whose message is lost may finish it; should it not, the next sweep finds no lease.
  const lost = [...(await stillWanted(tx, suspects)).values()].filter(({ isLeased }) => !isLeased);
  for (const { chunk, itemsDone, ...stage } of lost) await enqueueAgain(tx, stage, chunk, itemsDone);
  return new Map([...bySubject(lost)].map(([subject, jobs]) => [subject, jobs.length]));
}

type WantedJob = WantedChunk & { readonly key: string; readonly subject: string };

/** Those that were published. Of a stage whose chunks follow each other the first that is not done has a job, and no other. */
async function wantedJobs(tx: LedgerTransaction): Promise<ReadonlyMap<string, WantedJob>> {
  const wanted = await tx.stages.wantedChunks();
  const jobs = wanted.filter(
    ({ digest, spec }, index) => !functionOf(spec.kind).sequential || wanted[index - 1]?.digest !== digest,
  );
  const published = jobs.filter(({ isInOutbox }) => !isInOutbox);
  return new Map(
    published.map((job) => {
      const key = keyOf(job.digest, job.chunk);
      return [key, { ...job, key, subject: subjectOfStage(job.spec) }];
    }),
  );
}

/** With what is known of them now. One that got further meanwhile has another job. */
async function stillWanted(
  tx: LedgerTransaction,
  before: ReadonlyMap<string, WantedJob>,
): Promise<ReadonlyMap<string, WantedJob>> {
  const now = await wantedJobs(tx);
  return new Map(
    [...now].filter(([key, { itemsDone, revivals }]) => {
      const job = before.get(key);
      return job?.itemsDone === itemsDone && job.revivals === revivals;
    }),
  );
}

function bySubject(jobs: Iterable<WantedJob>): ReadonlyMap<string, readonly WantedJob[]> {
  return Map.groupBy(jobs, ({ subject }) => subject);
}

function keyOf(stage: string, chunk: number): string {
  return `${stage}:${chunk}`;
}
