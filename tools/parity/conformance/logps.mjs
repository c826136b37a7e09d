import { packSequences } from '@solopo/lm';

/** Log-probabilities of every token of each sequence but its first. */
export async function logpsOf(model, sequences) {
  const rows = [];
  for (const ids of sequences) {
    const { logps } = await model.targetLogps(await model.forward(packSequences([Int32Array.from(ids)])));
    rows.push([...logps]);
  }
  return rows;
}
