// Peak resident memory of a solo step by the long context's length, in a process of its own each.
import { inChild } from './child.mjs';
import { figure, gib, notMeasured, NO_PEERS } from './figure.mjs';
import { peer } from './peers.mjs';

export async function memory({ quick, threads, peers }) {
  const size = { layers: quick ? 2 : 24, short: 512, response: 128, threads };
  const lengths = quick ? [2048, 4096] : [2048, 4096, 8192, 16_384];
  const own = new Map();
  const figures = [];
  for (const long of lengths) {
    const { peakBytes, medianSeconds } = await inChild('step', { ...size, long, recompute: 'all', runs: 1, warmup: 0 });
    own.set(long, peakBytes);
    figures.push(
      figure(`long ${long}`, gib(peakBytes), 'GiB', !quick && long === 16_384 ? { atMost: 12 } : {}),
      figure(`long ${long}, seconds of the step`, medianSeconds, 's'),
    );
  }
  // Linear: what a token costs between the last two lengths is not more than between the first two.
  const perToken = (from, to) => (own.get(to) - own.get(from)) / (to - from);
  if (lengths.length > 2) {
    const ratio = perToken(lengths.at(-2), lengths.at(-1)) / perToken(lengths[0], lengths[1]);
    figures.push(figure('bytes a token at the end over those at the start', ratio, 'x', { atMost: 1.1 }));
  }
  if (!peers) return [...figures, notMeasured('TRL, plain PyTorch', NO_PEERS)];
  const only = ['trl', 'trl, full logits', 'best, recompute all'];
  for (const long of lengths.filter((length) => length <= 8192)) {
    const { of } = await peer('memory', { ...size, lengths: long, only });
    for (const [name, other] of of) {
      if (other.outOfMemory) figures.push(notMeasured(name, 'out of memory'));
      else
        figures.push(
          figure(name, gib(other.peakRssBytes), 'GiB'),
          figure(
            `${name}: this engine's peak over it`,
            own.get(long) / other.peakRssBytes,
            'x',
            long === 8192 && name.endsWith('full logits') ? { atMost: 0.5 } : {},
          ),
        );
    }
  }
  return figures;
}
