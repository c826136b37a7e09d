import { jobSchema, type Job } from '@solopo/contracts';
import type { Ledger } from '@solopo/ledger';
import type { HeldJobs } from '../index.ts';

/** A work queue in memory, with the outbox published to it: it can be made to forget, as a server that lost its store. */
export class FakeQueue implements HeldJobs {
  /** Also those that a worker has: until they are acknowledged. */
  readonly jobs: { readonly subject: string; readonly messageId: string; readonly job: Job }[] = [];
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  counts(): Promise<ReadonlyMap<string, number>> {
    const bySubject = Map.groupBy(this.jobs, ({ subject }) => subject);
    return Promise.resolve(new Map([...bySubject].map(([subject, { length }]) => [subject, length])));
  }

  async *of(subject: string): AsyncGenerator<Job> {
    for (const held of [...this.jobs]) if (held.subject === subject) yield await Promise.resolve(held.job);
  }

  /** What is in the outbox is on the queue from now on. */
  async publish(): Promise<void> {
    await this.#ledger.transaction(async (tx) => {
      const messages = await tx.outbox.claim(100_000);
      for (const { subject, messageId, payload } of messages)
        if (subject.startsWith('jobs.')) this.jobs.push({ subject, messageId, job: jobSchema.parse(payload) });
      await tx.outbox.markPublished(messages.map(({ id }) => id));
    });
  }

  acknowledge(job: Job): void {
    const index = this.jobs.findIndex((held) => held.job === job);
    if (index >= 0) this.jobs.splice(index, 1);
  }

  lose(isLost: (job: Job) => boolean = () => true): void {
    const kept = this.jobs.filter(({ job }) => !isLost(job));
    this.jobs.splice(0, this.jobs.length, ...kept);
  }
}
