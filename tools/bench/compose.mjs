// Composing contexts as the datagen service does it, in a process of its own, against a build of an earlier commit
// (SOLOPO_BENCH_BEFORE names its folder) that composes the first of the same records; and tokenizing alone against the
// tokenizers library in Python (SOLOPO_PYTHON), one thread each.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { figure, notMeasured, NO_PEERS } from './figure.mjs';

const CASES = fileURLToPath(new URL('compose.cases.mjs', import.meta.url));
const PYTHON_CASE = fileURLToPath(new URL('tokenize.py', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const before = process.env.SOLOPO_BENCH_BEFORE;
const python = process.env.SOLOPO_PYTHON ?? join(ROOT, '.solopo/peers/bin/python');

export async function compose({ quick, peers }) {
  const records = quick ? 300 : 12_000;
  // A pool of the sample's own documents: each is drawn as often as with all records, for five contexts or so.
  const sample = quick ? 60 : 200;
  const model = 'qwen2.5-0.5b-instruct';
  const maxTokens = 8000;

  const service = await run(CASES, 'service', { root: ROOT, model, records, maxTokens });
  const figures = [
    figure(`records composed a second, ${records} of ${maxTokens} tokens`, records / service.seconds, '1/s'),
    figure('longest that the service could not answer meanwhile', service.longestDelayMs, 'ms', { atMost: 50 }),
    figure('memory of service and composing process, last tenth over second tenth', service.growth, 'times', {
      atMost: 1.1,
    }),
  ];
  if (before === undefined) {
    figures.push(notMeasured('composing over the build before', 'SOLOPO_BENCH_BEFORE names none'));
  } else {
    const options = { model, records: sample, maxTokens };
    const ratios = [];
    for (let round = 0; round < 3; round++) {
      const old = await run(CASES, 'library', { ...options, root: before });
      const now = await run(CASES, 'library', { ...options, root: ROOT });
      if (old.digest !== now.digest) throw new Error('The contexts are not those of the build before.');
      ratios.push(old.cpuSeconds / now.cpuSeconds);
    }
    figures.push(
      figure(
        `processor time of the build before over this one's, ${sample} records, median of 3`,
        median(ratios),
        'times',
        { atLeast: 10 },
      ),
    );
  }
  for (const each of [model, 'smollm2-360m-instruct']) figures.push(...(await tokenizing(each, quick ? 2 : 10, peers)));
  return figures;
}

async function tokenizing(model, megabytes, peers) {
  const rounds = [];
  for (let round = 0; round < 3; round++) {
    const own = await run(CASES, 'tokenize', { root: ROOT, model, megabytes });
    const theirs = peers ? await run(PYTHON_CASE, model, { root: ROOT, megabytes }, python) : undefined;
    if (theirs && theirs.tokens !== own.tokens)
      throw new Error(`${model}: ${own.tokens} tokens, Python has ${theirs.tokens}.`);
    rounds.push({ ratio: theirs && theirs.seconds / own.coldSeconds, kept: megabytes / own.keptSeconds });
  }
  const kept = figure(`${model}: from the cache`, median(rounds.map((each) => each.kept)), 'MB/s', { atLeast: 20 });
  const name = `${model}: ${megabytes} MB, cold, speed over tokenizers in Python, one thread, median of 3`;
  return [
    peers
      ? figure(name, median(rounds.map((each) => each.ratio)), 'times', { atLeast: 0.8 })
      : notMeasured(name, NO_PEERS),
    kept,
  ];
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

function run(program, name, options, command = process.execPath) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [program, name, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // Native code reads it: one thread on both sides.
      env: { ...process.env, TOKENIZERS_PARALLELISM: name === 'service' ? 'true' : 'false' },
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve(JSON.parse(text.trim().split('\n').at(-1)))
        : reject(new Error(`${name} ended with ${code}`)),
    );
  });
}
