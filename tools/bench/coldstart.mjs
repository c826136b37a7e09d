// From a queued run, with no worker running, to each worker ready and to the first step, on the local launcher. The times are
// those that the services log and the events carry. A second run follows at once, on warm workers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exampleLine, RETRIEVAL_PROMPT, retrievalExamples } from '@solopo/corpus';
import { findNatsServer } from '../bootstrap/nats-server.mjs';
import { ROOT } from '../bootstrap/run.mjs';

const LAUNCHER = join(ROOT, 'apps/launcher/dist/main.js');
const MODEL = join(ROOT, 'data/models/retrieval-144k');
const FILES = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];
/** The stage whose end makes the first work of each app; datagen's is the run itself. */
const BEFORE = { datagen: undefined, reward: 'pair', trainer: 'score' };
const LIMIT_MS = 5 * 60_000;

export async function coldstart({ quick, threads }) {
  const data = await mkdtemp(join(tmpdir(), 'solopo-coldstart-'));
  const launcher = spawn(process.execPath, [LAUNCHER, 'up', '--data', data, '--threads', `${threads}`], {
    env: { ...process.env, SOLOPO_NATS_SERVER: findNatsServer() },
    stdio: 'ignore',
  });
  const ended = once(launcher, 'exit');
  const state = () => JSON.parse(readFileSync(join(data, 'launcher.json'), 'utf8'));
  const api = () => state().api;
  try {
    await until('the system is up', api);
    const ask = clientOf(api());
    await register(ask);

    const cold = await measure(ask, 1);
    const ready = (app) => log(data, `${app}-1`).find(({ msg }) => msg === 'ready').at;
    const figures = Object.entries(BEFORE).map(([app, before]) => {
      const waits = before === undefined ? cold.queued : cold.done.get(before);
      return seconds(`first job for ${app} to its worker ready`, ready(app) - waits);
    });
    figures.push(seconds('queued run to first step, no worker running', cold.firstStep - cold.queued));
    const warm = await measure(ask, 2);
    figures.push(seconds('queued run to first step, workers running', warm.firstStep - warm.queued));
    if (!quick) {
      const workers = () => state().processes.filter(({ name }) => name in BEFORE || /-\d+$/.test(name));
      await until('the workers have stopped', () => workers().length === 0);
      const again = await measure(ask, 3);
      figures.push(seconds('queued run to first step, after all workers stopped', again.firstStep - again.queued));
    }
    return figures;
  } finally {
    launcher.kill('SIGTERM');
    await ended;
    await rm(data, { recursive: true, force: true });
  }
}

const seconds = (name, ms) => ({ name, value: Math.round(ms / 10) / 100, unit: 's', goal: null, reached: null });

/** The lines of a service's log, with their times in ms. */
function log(data, service) {
  const text = readFileSync(join(data, 'logs', `${service}.log`), 'utf8').trim();
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => ({ ...JSON.parse(line), at: Date.parse(JSON.parse(line).time) }));
}

async function until(what, condition) {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    try {
      if (condition()) return;
    } catch {
      // Not written yet.
    }
    if (Date.now() > deadline) throw new Error(`Not within ${LIMIT_MS / 1000} s: ${what}.`);
    await sleep(50);
  }
}

function clientOf(api) {
  return async (method, path, body) => {
    const json = typeof body === 'object' && !Buffer.isBuffer(body);
    const headers = json ? { 'content-type': 'application/json' } : {};
    const answer = await fetch(`${api}/v1${path}`, { method, headers, body: json ? JSON.stringify(body) : body });
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
    return answer;
  };
}

async function register(ask) {
  const digests = await Promise.all(
    FILES.map(async (name) => {
      const answer = await ask('POST', '/artifacts', readFileSync(join(MODEL, name)));
      return [name, (await answer.json()).digest];
    }),
  );
  await ask('POST', '/models', { name: 'model', files: Object.fromEntries(digests) });
  const lines = [...retrievalExamples({ seed: 1, count: 32, documents: 8 })].map(exampleLine).join('\n');
  await ask('POST', '/datasets?name=questions&format=solopo', lines);
}

/** A run of its own seed to its end: when it was queued, when its stages were done, and when its first step was. */
async function measure(ask, seed) {
  const answer = await ask('POST', '/runs', {
    name: `cold start ${seed}`,
    model: 'model',
    dataset: 'questions',
    seed,
    prompt: RETRIEVAL_PROMPT,
    contexts: { short: { distractors: 3 }, long: { documents: 8 } },
    sampling: { samplesPerContext: 4, temperature: 2, maxNewTokens: 3 },
    pairing: { mode: 'gold-chosen', judge: 'exact', heldOutPairs: 0 },
    training: { pairsPerStep: 8, maxSteps: 2 },
  });
  const queued = Date.now();
  const { id } = await answer.json();
  const done = new Map();
  let firstStep;
  for await (const { type, at, data } of eventsOf(await ask('GET', `/runs/${id}/events`))) {
    if (type === 'stage.done') done.set(data.kind, Date.parse(at));
    if (type === 'run.step') firstStep ??= Date.parse(at);
    if (type !== 'run.state' || data.state === 'running') continue;
    if (data.state !== 'succeeded') throw new Error(`The run ended as ${data.state}: ${data.error}`);
    return { queued, done, firstStep };
  }
  throw new Error('The stream of events ended before the run.');
}

async function* eventsOf(answer) {
  let text = '';
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop();
    for (const line of lines) if (line.startsWith('data:')) yield JSON.parse(line.slice('data:'.length));
  }
}
