// A step, scoring and sampling by the format in which frozen weights are kept.
import { inChild } from './child.mjs';
import { figure, gib } from './figure.mjs';

const FORMATS = ['float32', 'float16', 'int8'];

export async function frozen({ quick, threads }) {
  const size = { layers: quick ? 2 : 24, threads, runs: quick ? 3 : 1, warmup: 1 };
  const pair = { ...size, short: 512, long: 2048, response: 128 };
  const cases = [
    ['step', 'a step, forward computed again', { ...pair, recompute: 'all' }],
    ['score', 'reference scores of a pair', pair],
    ['sample', '32 answers of 16 tokens to a prompt of 256', { ...size, prompt: 256, newTokens: 16, samples: 32 }],
    ['sample', 'one answer of 16 tokens', { ...size, prompt: 256, newTokens: 16, samples: 1 }],
  ];
  const figures = [];
  for (const [name, what, options] of cases)
    for (const frozenWeights of FORMATS) {
      const { medianSeconds, peakBytes } = await inChild(name, { ...options, frozenWeights });
      figures.push(
        figure(`${what}, ${frozenWeights}`, medianSeconds, 's'),
        figure(`${what}, ${frozenWeights}, peak memory`, gib(peakBytes), 'GiB'),
      );
    }
  return figures;
}
