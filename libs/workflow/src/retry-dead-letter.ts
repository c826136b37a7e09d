import { jobSchema, SolopoError, type Job } from '@solopo/contracts';
import type { DeadLetterRecord, LedgerTransaction } from '@solopo/ledger';
import { resumeRun } from './resume-run.ts';
import { takeUpStage } from './take-up-stage.ts';

/** Sets the runs going again that failed because of the letter's stage, or the replay. Returns the ids of runs. */
export async function retryDeadLetter(tx: LedgerTransaction, id: number): Promise<string[]> {
  const letter = await tx.deadLetters.lock(id);
  if (letter.retriedAt !== null)
    throw new SolopoError('conflict', `Dead letter ${id} was retried already; look for a later one of the same stage.`);
  const { stage } = jobOf(letter);
  const { kind, state } = await tx.stages.lock(stage);
  const runs = await tx.runs.lockFailedBy(stage);
  if (kind === 'replay' && state === 'failed') await takeUpStage(tx, stage);
  else if (runs.length === 0)
    throw new SolopoError(
      'conflict',
      `No run is failed because of dead letter ${id}; start a run again that needs it.`,
    );
  for (const run of runs) await resumeRun(tx, run);
  await tx.deadLetters.markRetried(id);
  return runs.map((run) => run.id);
}

function jobOf({ id, subject, job }: DeadLetterRecord): Job {
  const parsed = jobSchema.safeParse(job);
  if (parsed.success) return parsed.data;
  throw new SolopoError('conflict', `Dead letter ${id} holds no job; find out who published it to ${subject}.`);
}
