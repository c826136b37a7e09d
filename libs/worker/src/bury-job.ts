import type { DeadLetter } from '@solopo/bus';
import type { Ledger } from '@solopo/ledger';
import { failStage } from '@solopo/workflow';

/** A job that is given up: recorded, and whatever run wants its stage fails with the reason. */
export async function buryJob(ledger: Ledger, { subject, job, payload, error, attempts }: DeadLetter): Promise<void> {
  await ledger.transaction(async (tx) => {
    await tx.deadLetters.add({ subject, job: job ?? payload, reason: error.message, code: error.code, attempts });
    if (job) await failStage(tx, job.stage, error.message, job.chunk);
  });
}
