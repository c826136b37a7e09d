// Forward and backward of a Qwen2.5-0.5B-shaped block with LoRA against a bare warm MatMul in the same process, in
// executed multiply-adds a second.
import { Runtime } from '@solopo/lm';
import { blockOn } from '../gpu/block.mjs';
import { inChild } from './child.mjs';
import { figure } from './figure.mjs';
import { shape } from './model.mjs';
import { passWork } from './work.mjs';

const config = shape({ layers: 1, vocabulary: 1000 });
const { hiddenSize: d, intermediateSize: f } = config;

export async function block({ quick, threads, device = 'cpu' }) {
  if (device !== 'cpu') return blockOnDevice({ quick, threads, device });
  const figures = [];
  for (const T of quick ? [512, 2048] : [512, 2048, 8192]) {
    const { matMul, passes } = await inChild('block', {
      T,
      threads,
      ...(T > 4096 ? { runs: 3, warmup: 2 } : { runs: 7, warmup: 8 }),
    });
    figures.push(figure(`T ${T}: MatMul ${T} x ${d} x ${f}`, matMul / 1e9, 'Gmadd/s'));
    const work = passWork(config, T);
    const goal = T === 2048 ? { atLeast: 0.85 } : {};
    for (const recompute of ['none', 'all']) {
      const { forward, backward } = passes[recompute];
      const again = recompute === 'all' ? work.recompute : 0;
      const kept = recompute === 'all' ? '' : ', activations kept';
      figures.push(
        figure(`T ${T}: forward${kept}`, forward, 's'),
        figure(`T ${T}: forward${kept}, ratio to MatMul`, work.forward / forward / matMul, 'x', goal),
        figure(`T ${T}: backward${kept || ', forward computed again'}`, backward, 's'),
        figure(
          `T ${T}: backward${kept || ', forward computed again'}, ratio to MatMul`,
          (work.backward + again) / backward / matMul,
          'x',
          goal,
        ),
      );
    }
  }
  return figures;
}

/** Against the same runs queued back to back, without the loop over chunks and layers between them. Quick: a driver in software can. */
async function blockOnDevice({ quick, threads, device }) {
  const figures = [];
  const [name, lengths, runs] = quick ? ['tiny', [64, 256], 15] : ['0.5B', [512, 2048], 5];
  for (const length of lengths) {
    const runtime = new Runtime({ threads, device });
    const result = await blockOn(runtime, { shape: name, length, runs });
    const label = `${name}, T ${length}`;
    figures.push(
      figure(`${label}: forward on ${device}`, result.forwardSeconds, 's'),
      figure(`${label}: forward and backward on ${device}`, result.forwardAndBackwardSeconds, 's'),
      figure(`${label}: ratio to its ${result.dispatches} runs queued back to back`, result.ratioToQueued, 'x', {
        atMost: 1.1,
      }),
    );
    await runtime.close();
  }
  return figures;
}
