// Writes the tiny reference models as folders for the Python tools, with what these run on them.
//   node tools/parity/models.mjs FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatAdapterConfig, formatModelConfig, mergeLora, toPeftNames, writeSafetensors } from '@solopo/lm';
import {
  digestOf,
  referenceDerivatives,
  referenceModel,
  referenceNear,
  REFERENCE_MODELS,
  REFERENCE_SAMPLED_TOKENS,
  REFERENCE_TREES,
} from '../../libs/lm/dist/testing/reference-models.fixture.js';
import {
  CURVES,
  CURVE_STEPS,
  PAIR_CASES,
  PAIRS_A_CASE,
  PAIRS_A_STEP,
  PAIRS_MODEL,
  pairsModel,
  PAIRS_REFERENCE_SHARE,
  referencePairs,
} from '../../libs/lm/dist/testing/reference-pairs.fixture.js';

const out = process.argv[2];
if (!out) throw new Error('usage: node tools/parity/models.mjs FOLDER');

const write = (path, value) => writeFileSync(join(out, path), JSON.stringify(value));
function writeModel({ name, config, weights, lora, adapter }, json) {
  for (const part of ['base', 'adapter', 'merged']) mkdirSync(join(out, name, part), { recursive: true });
  // The base's config.json is the publisher's; the merged model's is the one that an export has.
  write(`${name}/base/config.json`, json);
  writeSafetensors(join(out, name, 'base/model.safetensors'), weights);
  write(`${name}/adapter/adapter_config.json`, formatAdapterConfig(lora, 'base'));
  writeSafetensors(join(out, name, 'adapter/adapter_model.safetensors'), toPeftNames(adapter));
  write(`${name}/merged/config.json`, formatModelConfig(config));
  writeSafetensors(join(out, name, 'merged/model.safetensors'), mergeLora(weights, lora, adapter));
  // What a policy that is trained in full is measured by.
  mkdirSync(join(out, name, 'reference'), { recursive: true });
  write(`${name}/reference/config.json`, json);
  writeSafetensors(join(out, name, 'reference/model.safetensors'), referenceNear(weights, PAIRS_REFERENCE_SHARE));
  return digestOf(new Map([...weights, ...adapter]));
}

const digests = Object.fromEntries(
  Object.entries(REFERENCE_MODELS).map(([name, json]) => [name, writeModel(referenceModel(name), json)]),
);
const pairs = pairsModel();
const ids = (tokens) => [...tokens];
write('pairs.json', {
  digest: writeModel(pairs, PAIRS_MODEL),
  parameters: { full: [...pairs.weights.keys()], lora: [...pairs.adapter.keys()] },
  cases: PAIR_CASES,
  pairsACase: PAIRS_A_CASE,
  curves: CURVES,
  curveSteps: CURVE_STEPS,
  pairsAStep: PAIRS_A_STEP,
  pairs: referencePairs(CURVE_STEPS * PAIRS_A_STEP).map(({ short, long, chosen, rejected, aligned }) => ({
    short: ids(short),
    long: ids(long),
    chosen: ids(chosen),
    rejected: ids(rejected),
    aligned,
  })),
});
const targets = REFERENCE_TREES.flatMap(({ branches }) => branches).reduce((sum, { length }) => sum + length, 0);
const models = Object.keys(REFERENCE_MODELS).map(referenceModel);
write('inputs.json', {
  digests,
  // Gradients are stored one after another in this order.
  parameters: Object.fromEntries(
    models.map(({ name, weights, adapter }) => [name, { base: [...weights.keys()], adapter: [...adapter.keys()] }]),
  ),
  trees: REFERENCE_TREES.map(({ prompt, branches }) => ({
    prompt: [...prompt],
    branches: branches.map((tokens) => [...tokens]),
  })),
  derivatives: [...referenceDerivatives(targets)],
  sampledTokens: REFERENCE_SAMPLED_TOKENS,
});
console.log(`wrote ${1 + Object.keys(digests).length} models`);
