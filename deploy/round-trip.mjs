// node deploy/round-trip.mjs: one small run through a running system, from the first job to the last, and its figures read
// back. `helm test` runs it; so can anybody, with SOLOPO_API, and SOLOPO_TOKEN or SOLOPO_TOKEN_FILE where tokens are asked for.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exampleLine, RETRIEVAL_PROMPT, retrievalExamples } from '@solopo/corpus';

const MODEL = join(dirname(import.meta.dirname), 'data/models/retrieval-144k');
const FILES = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];
const LIMIT_MS = 10 * 60_000;

const api = process.env.SOLOPO_API ?? fail('SOLOPO_API is not set; set it to the address of the gateway.');
const file = process.env.SOLOPO_TOKEN_FILE;
const token = process.env.SOLOPO_TOKEN ?? (file === undefined ? undefined : readFileSync(file, 'utf8').trim());
const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
const name = `round-trip-${Date.now().toString(36)}`;
const started = performance.now();

function fail(message) {
  console.error(message);
  process.exit(1);
}

function say(message) {
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${message}`);
}

async function ask(method, path, body) {
  const json = body !== undefined && typeof body === 'object' && !Buffer.isBuffer(body);
  const answer = await fetch(`${api}/v1${path}`, {
    method,
    headers: json ? { ...headers, 'content-type': 'application/json' } : headers,
    body: json ? JSON.stringify(body) : (body ?? null),
  });
  const text = await answer.text();
  if (!answer.ok) fail(`${method} ${path} answered ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

const digests = await Promise.all(
  FILES.map(async (each) => [each, (await ask('POST', '/artifacts', readFileSync(join(MODEL, each)))).digest]),
);
await ask('POST', '/models', { name, files: Object.fromEntries(digests) });
const lines = [...retrievalExamples({ seed: 1, count: 24, documents: 8 })].map(exampleLine).join('\n');
await ask('POST', `/datasets?name=${name}&format=solopo`, lines);
say('a model and a data set are registered');

const { id } = await ask('POST', '/runs', {
  name,
  model: name,
  dataset: name,
  // Another seed, another run: nothing of an earlier round trip is taken.
  seed: Date.now() % 2 ** 32,
  prompt: RETRIEVAL_PROMPT,
  contexts: { short: { distractors: 1 }, long: { documents: 8 } },
  sampling: { samplesPerContext: 4, temperature: 2, maxNewTokens: 3 },
  pairing: { mode: 'gold-chosen', judge: 'exact', heldOutPairs: 2 },
  training: { pairsPerStep: 4, maxSteps: 2, stepsPerSlice: 1 },
});
say(`run ${id} is queued`);

let [state, stages] = ['', ''];
for (;;) {
  const run = await ask('GET', `/runs/${id}`);
  const now = (run.stages ?? []).map(({ kind, state: at }) => `${kind} ${at}`).join(', ');
  if (now !== stages) say(now);
  [state, stages] = [run.state, now];
  if (state !== 'running') break;
  if (performance.now() - started > LIMIT_MS)
    fail(`The run is not done after ${LIMIT_MS / 60_000} minutes; are there workers?`);
  await sleep(500);
}
if (state !== 'succeeded') fail(`The run ended as ${state}.`);

const steps = await ask('GET', `/runs/${id}/steps`);
if (steps.length !== 2) fail(`The run has ${steps.length} steps, not 2.`);
const verification = await ask('GET', `/runs/${id}/verify`);
if (!verification.ok) fail(`The ledger does not say what happened: ${JSON.stringify(verification)}`);
say('two steps are in the ledger, and its chain of digests holds');
