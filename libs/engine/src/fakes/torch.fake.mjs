// Speaks the protocol of docs/engine-protocol.md and computes nothing: what a test asks for in `options` of a task is what happens.
import { writeSync } from 'node:fs';

const REPLIES = 3;
const [behaviour = 'honest'] = process.argv.slice(2);
const DTYPES = { int32: Int32Array, float32: Float32Array, float64: Float64Array };

/** A frame by hand: each array of the message is [dtype, numbers] under the name of `$make`. */
function write(message) {
  const parts = [];
  let at = 0;
  const json = Buffer.from(
    JSON.stringify(message, (_, value) => {
      if (value === null || typeof value !== 'object' || !('$make' in value)) return value;
      const [dtype, numbers] = value.$make;
      const bytes = Buffer.from(DTYPES[dtype].from(numbers).buffer);
      const place = { $array: [dtype, at, numbers.length] };
      const padded = Buffer.alloc(Math.ceil(bytes.length / 8) * 8);
      bytes.copy(padded);
      parts.push(padded);
      at += padded.length;
      return place;
    }),
  );
  const header = Buffer.alloc(8);
  header.writeUInt32LE(json.length, 0);
  header.writeUInt32LE(at, 4);
  const frame = Buffer.concat([header, json, ...parts]);
  for (let from = 0; from < frame.length;) from += writeSync(REPLIES, frame, from, Math.min(5000, frame.length - from));
}

const chunks = process.stdin[Symbol.asyncIterator]();
let unread = Buffer.alloc(0);
async function read(bytes) {
  while (unread.length < bytes) {
    const { value, done } = await chunks.next();
    if (done) process.exit(0);
    unread = Buffer.concat([unread, value]);
  }
  const taken = unread.subarray(0, bytes);
  unread = unread.subarray(bytes);
  return taken;
}

if (behaviour === 'no-torch') {
  console.error("ModuleNotFoundError: No module named 'torch'");
  process.exit(1);
}
if (behaviour === 'silent') process.exit(0);
// What the relay of several ranks does, whose torchrun wrote a page before.
const relayEnds = () => {
  console.error('E1130 12:00:00.000000 1 torch/distributed/elastic/multiprocessing/api.py:900] failed (exitcode: -9)');
  console.error('rank 1 of 2 (process 4711) ended by SIGKILL; all ranks start again');
  process.exit(75);
};
if (behaviour === 'rank-never-came') relayEnds();
if (behaviour === 'noise') writeSync(REPLIES, Buffer.from('Traceback (most recent call last):'.repeat(9)));
const protocol = behaviour === 'newer' ? 2 : 1;
write({
  kind: 'hello',
  protocol,
  engine: 'torch',
  versions: { python: '3.13.0', torch: '2.9.1', transformers: '5.0.0' },
});
console.log('a line on standard output');

const state = {
  device: 'cpu',
  reason: 'no GPU',
  name: null,
  memoryBytes: null,
  allocatedBytes: 0,
  memorySettings: null,
};
write({ kind: 'state', state });
for (;;) {
  const header = await read(8);
  const text = (await read(header.readUInt32LE(0))).toString();
  const binary = await read(header.readUInt32LE(4));
  const { id, task, input, traceparent } = JSON.parse(text);
  if (task === 'fingerprint') {
    write({
      id,
      kind: 'result',
      output: `fake; ${process.env.SOLOPO_ENGINE}; ${process.env.OMP_NUM_THREADS}; ${traceparent}`,
    });
  } else if (task === 'score') {
    // The log-probabilities are the tokens' own numbers.
    write({ id, kind: 'progress', progress: { kind: 'loading' } });
    const numbers = ({ $array: [, start, length] }) => [
      ...new Int32Array(binary.buffer.slice(binary.byteOffset + start, binary.byteOffset + start + 4 * length)),
    ];
    const logps = input.trees.map(({ branches }) =>
      branches.map((branch) => ({ $make: ['float32', numbers(branch)] })),
    );
    write({ id, kind: 'progress', progress: { kind: 'done', count: input.trees.length } });
    write({ kind: 'state', state: { ...state, allocatedBytes: 7 } });
    write({ id, kind: 'result', output: { logps, tokens: 5 } });
  } else if (behaviour === 'rank-dies') {
    relayEnds();
  } else if (task === 'sample') {
    // As Python says it.
    const full = '[Errno 28] No space left on device';
    const { folder: name } = input.model;
    write({ id, kind: 'error', name, message: name === 'OSError' ? full : 'told by the fake; do as it says' });
  } else if (task === 'measure') {
    write({ id, kind: 'progress', progress: { kind: 'loading' } });
    console.error('RuntimeError: killed in the middle');
    // Until it is killed.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  } else {
    console.error('a fault of its own');
    process.exit(3);
  }
}
