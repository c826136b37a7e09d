import { replayedSliceSchema, SolopoError, type ReplayedSlice, type ReplayView } from '@solopo/contracts';
import type { ReplayStage, Repositories } from '@solopo/ledger';
import { z } from 'zod';

/** Latest first. */
export async function replaysOf(ledger: Repositories, run: string): Promise<ReplayView[]> {
  return (await ledger.stages.replays(run)).flatMap(viewOf);
}

export async function requireReplay(ledger: Repositories, run: string, id: string): Promise<ReplayView> {
  const replay = (await replaysOf(ledger, run)).find((view) => view.id === id);
  if (replay !== undefined) return replay;
  throw new SolopoError('not-found', `Run ${run} has no replay ${id}; list them with GET /v1/runs/${run}/replays.`);
}

function viewOf({ spec, state, error, result, createdAt }: ReplayStage): ReplayView[] {
  if (spec.kind !== 'replay') return [];
  const { id, run, seed, slices } = spec;
  const replayed = z.record(z.string(), replayedSliceSchema).parse(result?.['slices'] ?? {});
  const inOrder = Object.values(replayed).sort((a, b) => a.slice - b.slice);
  const ok = state === 'done' ? inOrder.every(isGood) : null;
  return [{ id, run, seed, slices, state, error, ok, replayed: inOrder, createdAt: createdAt.toISOString() }];
}

/** Another engine need not give the same numbers. */
function isGood({ outcome }: ReplayedSlice): boolean {
  return outcome === 'equal' || outcome === 'other-engine';
}
