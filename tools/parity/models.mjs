// Writes the tiny reference models as folders for the Python tools, with what these run on them.
//   node tools/parity/models.mjs FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatAdapterConfig, formatModelConfig, mergeLora, toPeftNames, writeSafetensors } from '@solopo/lm';
import {
  digestOf,
  referenceDerivatives,
  referenceModel,
  REFERENCE_MODELS,
  REFERENCE_SAMPLED_TOKENS,
  REFERENCE_TREES,
} from '../../libs/lm/dist/testing/reference-models.fixture.js';

const out = process.argv[2];
if (!out) throw new Error('usage: node tools/parity/models.mjs FOLDER');

const write = (path, value) => writeFileSync(join(out, path), JSON.stringify(value));
const digests = {};
for (const name of Object.keys(REFERENCE_MODELS)) {
  const { config, weights, lora, adapter } = referenceModel(name);
  for (const part of ['base', 'adapter', 'merged']) mkdirSync(join(out, name, part), { recursive: true });
  // The base's config.json is the publisher's; the merged model's is the one that an export has.
  write(`${name}/base/config.json`, REFERENCE_MODELS[name]);
  writeSafetensors(join(out, name, 'base/model.safetensors'), weights);
  write(`${name}/adapter/adapter_config.json`, formatAdapterConfig(lora, 'base'));
  writeSafetensors(join(out, name, 'adapter/adapter_model.safetensors'), toPeftNames(adapter));
  write(`${name}/merged/config.json`, formatModelConfig(config));
  writeSafetensors(join(out, name, 'merged/model.safetensors'), mergeLora(weights, lora, adapter));
  digests[name] = digestOf(new Map([...weights, ...adapter]));
}
const targets = REFERENCE_TREES.flatMap(({ branches }) => branches).reduce((sum, { length }) => sum + length, 0);
write('inputs.json', {
  digests,
  trees: REFERENCE_TREES.map(({ prompt, branches }) => ({
    prompt: [...prompt],
    branches: branches.map((tokens) => [...tokens]),
  })),
  derivatives: [...referenceDerivatives(targets)],
  sampledTokens: REFERENCE_SAMPLED_TOKENS,
});
console.log(`wrote ${Object.keys(digests).length} models`);
