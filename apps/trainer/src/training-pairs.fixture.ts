import { sha256 } from '@solopo/contracts';
import type { Ledger } from '@solopo/ledger';

/** So many pairs of a stage, all over one short and one long context; their answers are of two tokens and more. */
export async function insertPairs(ledger: Ledger, stage: string, count: number): Promise<void> {
  const tokens = (length: number, seed: number) => Int32Array.from({ length }, (_, i) => 4 + ((i * i + seed) % 50));
  const contexts = [20, 45].map((length) => ({
    digest: sha256(`context ${length}`),
    kind: length === 20 ? 'short' : 'long',
    tokens: tokens(length, 1),
    evidence: [],
  }));
  await ledger.contexts.insert(contexts);
  await ledger.pairs.insert(
    stage,
    Array.from({ length: count }, (_, position) => ({
      position,
      digest: sha256(`pair ${position}`),
      shortContext: contexts[0]?.digest ?? '',
      longContext: contexts[1]?.digest ?? '',
      chosen: tokens(3, position),
      rejected: tokens(2 + position, position + 7),
      chosenText: 'right',
      rejectedText: 'wrong',
      chosenSample: 0,
      rejectedSample: 1,
      heldOut: false,
      ordinal: position,
    })),
  );
}
