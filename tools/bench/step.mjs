// One solo DPO LoRA step of a Qwen2.5-0.5B-shaped model: this engine, TRL, and the best plain PyTorch.
import { inChild } from './child.mjs';
import { figure, gib, notMeasured, NO_PEERS } from './figure.mjs';
import { peer } from './peers.mjs';

export async function step({ quick, threads, peers }) {
  const size = { layers: quick ? 2 : 24, short: 512, long: 2048, response: 128, threads };
  const runs = { runs: quick ? 2 : 3, warmup: 1 };
  const own = {};
  const figures = [];
  for (const recompute of ['none', 'all']) {
    const { medianSeconds, peakBytes, multiplyAdds } = await inChild('step', { ...size, ...runs, recompute });
    own[recompute] = { medianSeconds, peakBytes, multiplyAdds };
    figures.push(
      figure(`recompute ${recompute}`, medianSeconds, 's'),
      figure(`recompute ${recompute}, peak memory`, gib(peakBytes), 'GiB'),
      figure(`recompute ${recompute}, executed multiply-adds`, multiplyAdds / 1e12, 'T'),
    );
  }
  if (!peers) return [...figures, notMeasured('TRL, plain PyTorch', NO_PEERS)];
  for (const dtype of quick ? ['float32'] : ['float32', 'bfloat16']) {
    const options = { ...size, ...runs, dtype };
    const only = quick ? ['trl', 'trl, full logits'] : [];
    const trl = (await peer('step-trl', { ...options, runs: 1, only })).of;
    const best = (await peer('step-best', { ...options, recompute: 'both' })).of;
    for (const [name, other] of [...trl, ...best]) {
      const label = `${name}, ${dtype}`;
      if (other.outOfMemory) {
        figures.push(notMeasured(label, 'out of memory'));
        continue;
      }
      // Like against like: what keeps its activations against what keeps them.
      const mine = /none|no checkpointing/.test(name) ? own.none : own.all;
      const goals = dtype !== 'float32' ? null : name === 'trl, full logits' ? 2 : name.startsWith('best') ? 1 : null;
      figures.push(
        figure(label, other.medianSeconds, 's'),
        figure(`${label}, peak memory`, gib(other.peakRssBytes), 'GiB'),
        figure(
          `${label}: times its seconds that this engine is faster`,
          other.medianSeconds / mine.medianSeconds,
          'x',
          goals === null ? {} : { atLeast: goals },
        ),
        figure(
          `${label}: executed multiply-adds over this engine's`,
          other.flops.multiplyAdds / mine.multiplyAdds,
          'x',
        ),
        figure(`${label}: peak memory over this engine's`, other.peakRssBytes / mine.peakBytes, 'x'),
      );
    }
  }
  return figures;
}
