// The torch engine's figures on a CUDA device: docs/torch.md. One JSON file comes of it, saved after each figure.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { torchPython } from '../torch-python.mjs';
import { machine } from './report.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));

const SIZE = { short: 1024, long: 8192, response: 128, prompt: 1024, samples: 32, newTokens: 128, runs: 3, threads: 8 };
/** What has a goal comes first; each shape is a process, so that a crash leaves the others. */
const FULL = [
  { shape: '7B', precisions: ['bfloat16'], ...SIZE },
  { shape: '0.5B', precisions: ['bfloat16', 'float32'], ...SIZE },
  { shape: '1.5B', precisions: ['bfloat16'], ...SIZE },
];
const QUICK = [
  {
    shape: 'tiny',
    precisions: ['bfloat16', 'float32'],
    short: 16,
    long: 64,
    response: 8,
    prompt: 16,
    samples: 4,
    newTokens: 4,
    runs: 1,
    threads: 1,
  },
];
/** A step on an H200 beside one that shares no prompts. */
const GOAL = { shape: '7B', precision: 'bfloat16', backward: 'full', recompute: 'auto', timesAsFastAsPlain: 1.8 };
/** From where no figure is begun to where the process is ended. */
const SPARE_SECONDS = 15;

export async function torch(args) {
  const { values } = parseArgs({
    args,
    options: {
      device: { type: 'string', default: 'cuda' },
      json: { type: 'string', default: 'gpu-torch.json' },
      minutes: { type: 'string', default: '8' },
      quick: { type: 'boolean', default: false },
      python: { type: 'string' },
    },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes is ${values.minutes}; give a number above 0`);
  const python = values.python ?? torchPython();
  if (python === undefined)
    throw new Error('no Python has the torch engine: run ./solopo engine add torch, or name one with --python');
  const end = performance.now() + minutes * 60_000;
  const left = () => (end - performance.now()) / 1000;
  const figures = [];
  const result = {
    date: new Date().toISOString(),
    asked: values.device,
    machine: machine(),
    device: null,
    versions: null,
    goal: GOAL,
    figures,
  };
  const save = () => writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  const add = (figure) => {
    figures.push(figure);
    save();
    console.log(told(figure));
  };
  save();

  const shapes = values.quick ? QUICK : FULL;
  for (const [i, options] of shapes.entries()) {
    // Half of what is left, so that no shape takes the others' time.
    const seconds = i + 1 < shapes.length ? left() / 2 : left();
    const ending = await steps(python, { ...options, device: values.device }, seconds, (line) => {
      if (line.missing !== undefined) result.missing = line.missing;
      else if (line.about !== undefined) Object.assign(result, line.about);
      else add(line);
    });
    if (result.missing !== undefined) {
      save();
      console.log(`no CUDA device: ${result.missing}`);
      console.log(`written: ${values.json}`);
      return 3;
    }
    if (ending === undefined) continue;
    if (result.versions === null)
      throw new Error(
        `${python} does not run the torch engine (${ending}): run ./solopo engine add torch, or --python`,
      );
    add({ shape: options.shape, measure: 'process', error: ending });
  }
  console.log(`written: ${values.json}`);
  const measured = figures.some(({ measure, seconds, by }) => measure === 'step' && by === 'engine' && seconds > 0);
  return measured && figures.every(({ equalLoss }) => equalLoss !== false) ? 0 : 1;
}

/** Figures of one shape, by a process of its own. How it ended, where that is not well. */
function steps(python, options, seconds, onLine) {
  return new Promise((resolve, reject) => {
    const begun = {
      ...options,
      threads: Math.min(options.threads, cpus().length),
      seconds: Math.max(1, seconds - SPARE_SECONDS),
    };
    const child = spawn(python, [join(HERE, 'torch_steps.py'), JSON.stringify(begun)], {
      env: {
        ...process.env,
        PYTHONPATH: [join(HERE, '../../engines/torch'), process.env.PYTHONPATH].filter(Boolean).join(delimiter),
        PYTHONDONTWRITEBYTECODE: '1',
        HF_HUB_OFFLINE: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    let late = false;
    child.stderr.on('data', (data) => (errors = `${errors}${data}`.slice(-2000)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) onLine(JSON.parse(line));
    });
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, seconds * 1000);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (late) resolve(`took more than ${Math.round(seconds)} s`);
      else if (code === 0) resolve(undefined);
      else resolve(`ended with ${signal ?? `code ${code}`}: ${errors.trim().split('\n').at(-1)}`);
    });
  });
}

function told({ shape, precision, measure, by, backward, recompute, ...figure }) {
  const label = [
    shape,
    precision,
    measure,
    by,
    backward && `backward ${named(backward)}`,
    recompute && `recompute ${recompute}`,
  ];
  const { seconds, peakBytes, timesAsFastAsPlain, tokensPerSecond, bitEqual, differing, tensors } = figure;
  const values = [
    seconds !== undefined && `${seconds.toPrecision(3)} s`,
    peakBytes && `${(peakBytes / 2 ** 30).toFixed(1)} GiB`,
    timesAsFastAsPlain !== undefined && `${timesAsFastAsPlain.toFixed(2)} times as fast as plain PyTorch`,
    tokensPerSecond !== undefined && `${Math.round(tokensPerSecond)} tokens/s`,
    bitEqual !== undefined && (bitEqual ? 'equal to the bit' : `${differing} of ${tensors} tensors differ`),
    figure.error,
  ];
  return `${label.filter(Boolean).join(', ')}: ${values.filter(Boolean).join(', ')}`;
}

const named = (backward) => (typeof backward === 'string' ? backward : `tail ${backward.tail}`);
