// The other end of side.mjs, for a program in JavaScript.
import { createInterface } from 'node:readline';
import { resourceUsage } from 'node:process';

const say = (message) => console.log(JSON.stringify(message));

/** @param begin makes of a round's work what is to be timed */
export async function answerRounds(begin) {
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { work, end } = await begin(JSON.parse(line));
    const started = performance.now();
    await work();
    say({ seconds: (performance.now() - started) / 1000 });
    await end?.();
  }
  say({ peakBytes: resourceUsage().maxRSS * 1024 });
  process.exit(0);
}
