// Seconds against tokens and examples: the exponent between two sizes, 1 being linear. Against layers: what four further ones
// take, since the last one, made only where it is read, takes nearly nothing.
import { inChild } from './child.mjs';
import { figure } from './figure.mjs';

export async function growth({ quick, threads }) {
  const base = { layers: 2, vocabulary: 8192, short: 256, long: 1024, response: 64, threads, recompute: 'all' };
  const runs = { runs: quick ? 3 : 7, warmup: 2 };
  const at = async (changes) => (await inChild('step', { ...base, ...runs, ...changes })).medianSeconds;
  const start = await at({});
  const [six, ten] = [await at({ layers: 6 }), await at({ layers: 10 })];
  const exponent = (seconds, factor) => Math.log(seconds / start) / Math.log(factor);
  return [
    figure('tokens x 4: exponent', exponent(await at({ long: 4096, short: 1024, response: 256 }), 4), '', {
      atMost: 2,
    }),
    figure('layers 7 to 10 over layers 3 to 6', (ten - six) / (six - start), 'x', { atMost: 1.1 }),
    figure('examples x 4: exponent', exponent(await at({ pairs: 4 }), 4), '', { atMost: 1.1 }),
  ];
}
