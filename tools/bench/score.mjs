// Reference log-probabilities of the rows that the solo arm reads, against transformers on the same rows.
import { inChild } from './child.mjs';
import { figure, gib, notMeasured, NO_PEERS } from './figure.mjs';
import { peer } from './peers.mjs';

export async function score({ quick, threads, peers }) {
  const size = { layers: quick ? 2 : 24, short: 512, long: 2048, response: 128, threads };
  const runs = { runs: quick ? 2 : 3, warmup: 1 };
  const own = await inChild('score', { ...size, ...runs });
  const figures = [figure('a pair', own.medianSeconds, 's'), figure('a pair, peak memory', gib(own.peakBytes), 'GiB')];
  if (!peers) return [...figures, notMeasured('transformers', NO_PEERS)];
  for (const dtype of quick ? ['float32'] : ['float32', 'bfloat16']) {
    const { of } = await peer('score', { ...size, ...runs, dtype });
    for (const [name, other] of of)
      figures.push(
        figure(`transformers, ${name}, ${dtype}`, other.medianSeconds, 's'),
        figure(
          `transformers, ${name}, ${dtype}: times that this engine is faster`,
          other.medianSeconds / own.medianSeconds,
          'x',
          dtype === 'float32' && name.includes('all') ? { atLeast: 1.5 } : {},
        ),
      );
  }
  return figures;
}
