// Registering a model folder of a gigabyte with `solopo models add` on the local launcher, against sha256sum of the same files, which
// reads them once: in turns, in one run. Every round is a new model, whose bytes differ at their end.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, openSync, closeSync, fstatSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatModelConfig, modelParameters, parseModelConfig, writeSafetensors } from '@solopo/lm';
import { findNatsServer } from '../bootstrap/nats-server.mjs';
import { ROOT } from '../bootstrap/run.mjs';
import { figure, notMeasured } from './figure.mjs';

const LAUNCHER = join(ROOT, 'apps/launcher/dist/main.js');
const CLI = join(ROOT, 'apps/cli/dist/main.js');
const TEXT = join(ROOT, 'data/models/qwen2.5-0.5b-instruct');

export async function modelsAdd({ quick }) {
  const scratch = await mkdtemp(join(tmpdir(), 'solopo-models-add-'));
  const launcher = spawn(process.execPath, [LAUNCHER, 'up', '--data', join(scratch, 'data')], {
    env: { ...process.env, SOLOPO_NATS_SERVER: findNatsServer() },
    stdio: 'ignore',
  });
  const ended = once(launcher, 'exit');
  try {
    const state = () => JSON.parse(readFileSync(join(scratch, 'data/launcher.json'), 'utf8'));
    const api = await until(() => state().api);
    const gateway = state().processes.find(({ name }) => name === 'gateway')?.pid;
    const [small, large] = [join(scratch, 'small'), join(scratch, 'large')];
    const bytes = writeModel(large, quick ? 2 : 8);
    writeModel(small, 0);

    const rounds = [];
    for (let round = 0; round < (quick ? 2 : 5); round++) {
      change(large, round);
      const summed = await seconds('sha256sum', [weights(large)]);
      const added = await add(api, large, gateway);
      const again = await add(api, large, gateway);
      rounds.push({ ratio: added.seconds / summed, again: again.seconds / summed, added, summed });
    }
    const before = await add(api, small, gateway);
    const of = (value) => median(rounds.map(value));
    const size = `${(bytes / 1e9).toFixed(2)} GB`;
    const linux = process.platform === 'linux';
    return [
      figure(
        `sha256sum of ${size}`,
        of(({ summed }) => summed),
        's',
      ),
      figure(
        `models add of ${size}, new`,
        of(({ added }) => added.seconds),
        's',
      ),
      figure(
        'over sha256sum, median of the rounds',
        of(({ ratio }) => ratio),
        'times',
        { atMost: 1.5 },
      ),
      figure(
        'the same model once more, over sha256sum',
        of(({ again }) => again),
        'times',
        { atMost: 1.5 },
      ),
      ...(linux
        ? [
            figure('peak memory of the command', of(({ added }) => added.command) / 2 ** 20, 'MiB'),
            figure(
              'over that for a model a tenth as large',
              of(({ added }) => added.command) / before.command,
              'times',
              {
                atMost: 1.2,
              },
            ),
            figure("the gateway's growth meanwhile", of(({ added }) => added.gateway) / 2 ** 20, 'MiB'),
          ]
        : [notMeasured('peak memory', 'read from /proc, on Linux')]),
    ];
  } finally {
    launcher.kill('SIGTERM');
    await ended;
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A model of Qwen2.5's width and vocabulary, or of a tenth of that width, with numbers that mean nothing. */
function writeModel(folder, layers) {
  mkdirSync(folder);
  const config = parseModelConfig({
    model_type: 'qwen2',
    vocab_size: 151_936,
    hidden_size: layers === 0 ? 128 : 896,
    num_hidden_layers: Math.max(1, layers),
    num_attention_heads: layers === 0 ? 2 : 14,
    num_key_value_heads: 2,
    intermediate_size: layers === 0 ? 512 : 4864,
    tie_word_embeddings: true,
  });
  const parameters = modelParameters(config);
  const sizes = parameters.map(([, dims]) => dims.reduce((product, dim) => product * dim, 1));
  const numbers = new Float32Array(Math.max(...sizes));
  const noise = Float32Array.from({ length: 1 << 18 }, () => (Math.random() - 0.5) / 10);
  for (let at = 0; at < numbers.length; at += noise.length) numbers.set(noise.subarray(0, numbers.length - at), at);
  writeSafetensors(
    join(folder, 'model.safetensors'),
    new Map(parameters.map(([name, dims], i) => [name, { dims, data: numbers.subarray(0, sizes[i]) }])),
  );
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
    cpSync(join(TEXT, file), join(folder, file));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(formatModelConfig(config)));
  return 4 * sizes.reduce((a, b) => a + b, 0);
}

const weights = (folder) => join(folder, 'model.safetensors');

function change(folder, round) {
  const file = openSync(weights(folder), 'r+');
  writeSync(file, Buffer.from(Float32Array.of(round).buffer), 0, 4, fstatSync(file).size - 4);
  closeSync(file);
  // The last round's writing is over before the next is timed.
  execFileSync('sync');
}

async function add(api, folder, gateway) {
  const before = memory(gateway, 'VmRSS');
  const command = { peak: 0 };
  const time = await seconds(process.execPath, [CLI, 'models', 'add', folder, '--api', api], (pid) => {
    command.peak = Math.max(command.peak, memory(pid, 'VmHWM'));
    command.gateway = Math.max(command.gateway ?? 0, memory(gateway, 'VmRSS') - before);
  });
  return { seconds: time, command: command.peak, gateway: command.gateway ?? 0 };
}

async function seconds(program, args, watch = () => undefined) {
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const timer = setInterval(() => watch(child.pid), 50);
  const [code] = await once(child, 'exit');
  clearInterval(timer);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`);
  return (performance.now() - started) / 1000;
}

/** Bytes, of a process that is there. */
function memory(pid, which) {
  try {
    return 1024 * Number(new RegExp(`${which}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function until(value) {
  for (let tries = 0; tries < 600; tries++) {
    try {
      const found = value();
      if (found) return found;
    } catch {
      // Not there yet.
    }
    await sleep(100);
  }
  throw new Error('The system did not come up within a minute.');
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
