// 32 answers to one prompt, against as many single ones, and against transformers.generate.
import { inChild } from './child.mjs';
import { figure, notMeasured, NO_PEERS } from './figure.mjs';
import { peer } from './peers.mjs';

export async function sample({ quick, threads, peers }) {
  const size = { layers: quick ? 2 : 24, threads };
  const [prompt, newTokens, samples] = [1024, quick ? 32 : 128, 32];
  const runs = { runs: 1, warmup: quick ? 1 : 0 };
  const batch = await inChild('sample', { ...size, ...runs, prompt, newTokens, samples });
  const single = await inChild('sample', { ...size, ...runs, prompt, newTokens, samples: 1 });
  const figures = [
    figure(`${samples} answers of ${newTokens} tokens to a prompt of ${prompt}`, batch.medianSeconds, 's'),
    figure('one answer', single.medianSeconds, 's'),
    figure(
      `${samples} single ones over ${samples} together`,
      (samples * single.medianSeconds) / batch.medianSeconds,
      'x',
      {
        atLeast: 8,
      },
    ),
  ];
  if (!peers) return [...figures, notMeasured('transformers.generate', NO_PEERS)];
  const { of } = await peer('generate', { ...size, ...runs, prompt, new: newTokens, sequences: samples });
  for (const [name, other] of of) {
    const mine = name.startsWith('1 ') ? single : batch;
    figures.push(
      figure(`transformers.generate, ${name}`, other.medianSeconds, 's'),
      figure(
        `transformers.generate, ${name}: times that this engine is faster`,
        other.medianSeconds / mine.medianSeconds,
        'x',
        name === `${samples} sequences` ? { atLeast: 1 } : {},
      ),
    );
  }
  return figures;
}
