// Cases of readers, in a process of its own: whoever started it sees where it stands, ends it when it stands still, and knows when it
// died. It may write to its own folder alone.
import fs, { openSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { checkBatch } from './check.mjs';
import { faultOf } from './faults.mjs';
import { PLANTED } from './planted.mjs';

// Under its permissions Node syncs no file; what is written here nobody needs after a power cut.
fs.fsyncSync = () => undefined;
syncBuiltinESMExports();

const { tasks, start, scratch } = JSON.parse(process.argv[2]);
const readers = tasks.every(({ kind }) => kind in PLANTED) ? PLANTED : (await import('./readers.mjs')).READERS;
const arbitraries = {};
const progress = openSync(join(scratch, 'progress'), 'w');
const counter = Buffer.alloc(16);
const known = new Set();

/** The task, and cases of it that were begun: eight bytes each. */
function begin(task, begun) {
  counter.writeDoubleLE(task, 0);
  counter.writeDoubleLE(begun, 8);
  writeSync(progress, counter, 0, 16, 0);
}

process.on('unhandledRejection', (error) => {
  const fault = faultOf(error) ?? { name: error.name, message: error.message, place: '' };
  process.send({ unhandled: { ...fault, message: `unhandled: ${fault.message}` } });
});

for (const [number, task] of tasks.entries()) {
  if (number < start) continue;
  const { kind } = task;
  const arbitrary = (arbitraries[kind] ??= readers[kind].arbitrary());
  const run = (input) => readers[kind].run(input, scratch);
  const done = await checkBatch(task, arbitrary, run, known, (begun) => begin(number, begun));
  // Rejections that nobody waits for are heard of now.
  await turn();
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send({ ...done, heapBytes: heapUsed + external, rssBytes: rss });
}
process.disconnect();
