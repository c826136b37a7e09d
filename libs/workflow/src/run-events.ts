import { randomUUID } from 'node:crypto';
import type { RunEvent } from '@solopo/contracts';
import type { LedgerTransaction, StageRecord } from '@solopo/ledger';

export type EventType = RunEvent['type'];

export function eventSubjectOf(run: string): string {
  return `events.runs.${run}`;
}

/** Tells whoever listens, once the transaction is committed. */
export async function emitEvents(
  tx: LedgerTransaction,
  runs: readonly string[],
  type: EventType,
  items: readonly object[],
): Promise<void> {
  const at = new Date().toISOString();
  const events = runs.flatMap((run) => items.map((data): RunEvent => ({ type, run, at, data: { ...data } })));
  await tx.outbox.add(
    events.map((payload) => ({ subject: eventSubjectOf(payload.run), messageId: randomUUID(), payload })),
  );
}

export async function emitStageEvent(
  tx: LedgerTransaction,
  runs: readonly string[],
  type: 'stage.started' | 'stage.progress' | 'stage.done',
  { digest, kind, state, chunks, chunksDone, result }: StageRecord,
): Promise<void> {
  await emitEvents(tx, runs, type, [{ digest, kind, state, chunks, chunksDone, result }]);
}
