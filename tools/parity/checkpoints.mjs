// Writes folders as people bring them, for the Python tools.
//   node tools/parity/checkpoints.mjs FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '@solopo/lm';
import {
  referenceCheckpoint,
  REFERENCE_CHECKPOINTS,
} from '../../libs/lm/dist/testing/reference-checkpoints.fixture.js';
import { digestOf, REFERENCE_TREES } from '../../libs/lm/dist/testing/reference-models.fixture.js';

const out = process.argv[2];
if (!out) throw new Error('usage: node tools/parity/checkpoints.mjs FOLDER');

const digests = REFERENCE_CHECKPOINTS.map((name) => {
  const { settings, tensors } = referenceCheckpoint(name);
  mkdirSync(join(out, name), { recursive: true });
  writeFileSync(join(out, name, 'config.json'), JSON.stringify(settings));
  writeSafetensors(join(out, name, 'model.safetensors'), tensors);
  return [name, digestOf(tensors)];
});
const trees = REFERENCE_TREES.map(({ prompt, branches }) => ({
  prompt: [...prompt],
  branches: branches.map((tokens) => [...tokens]),
}));
writeFileSync(join(out, 'inputs.json'), JSON.stringify({ digests: Object.fromEntries(digests), trees }));
console.log(`wrote ${digests.length} folders`);
