// Seconds and memory of a pair by arm, beside the cost table of docs/method.md.
import { inChild } from './child.mjs';
import { figure, gib } from './figure.mjs';

const FRACTION = 0.25;
/** Of the long prompt's last tokens, so many have a gradient. */
const TAIL = 64;

export async function arms({ quick, threads }) {
  const lengths = quick ? [4096] : [4096, 8192, 16_384];
  const [short, response] = [1024, 128];
  const figures = [];
  for (const long of lengths) {
    const size = {
      layers: quick ? 2 : 6,
      short,
      long,
      response,
      threads,
      recompute: 'all',
      runs: 1,
      warmup: quick ? 1 : 0,
    };
    const shared = await inChild('step', { ...size, arm: 'expand-long' });
    const apart = await inChild('step', { ...size, arm: 'expand-long', apart: true });
    const solo = await inChild('step', { ...size, arm: 'solo' });
    const tail = await inChild('step', { ...size, arm: 'solo', backward: { tail: TAIL } });
    const unaligned = await inChild('step', { ...size, arm: 'solo', aligned: false });
    const mean = (key) => FRACTION * solo[key] + (1 - FRACTION) * unaligned[key];
    const rows = [
      ['expand-long, rows apart', apart.medianSeconds, apart.peakBytes, 2 * (long + response)],
      ['expand-long, prompt shared', shared.medianSeconds, shared.peakBytes, long + 2 * response],
      ['solo', solo.medianSeconds, solo.peakBytes, short + long + 3 * response],
      // A token without a backward pass counts a third.
      [
        `solo, gradient of ${TAIL} tokens`,
        tail.medianSeconds,
        tail.peakBytes,
        short + 3 * response + TAIL + (long - TAIL) / 3,
      ],
      [
        `solo, fraction ${FRACTION}`,
        mean('medianSeconds'),
        solo.peakBytes,
        short + 2 * response + FRACTION * (long + response),
      ],
    ];
    const [, base, , baseTokens] = rows[1];
    for (const [name, seconds, bytes, tokens] of rows)
      figures.push(
        figure(`long ${long}: ${name}`, seconds, 's'),
        figure(`long ${long}: ${name}, peak memory`, gib(bytes), 'GiB'),
        figure(`long ${long}: ${name}, seconds over expand-long shared`, seconds / base, 'x'),
        figure(`long ${long}: ${name}, tokens over expand-long shared (the table)`, tokens / baseTokens, 'x'),
      );
  }
  return figures;
}
