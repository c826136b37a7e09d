import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  inspectModelFiles,
  LanguageModel,
  readModelFolder,
  Runtime,
  scoreTrees,
  writeSafetensors,
  type HostTensor,
} from './index.ts';
import { farthest, fixture } from './testing/family-differences.fixture.ts';
import {
  referenceCheckpoint,
  referenceMatrix,
  REFERENCE_CHECKPOINTS,
} from './testing/reference-checkpoints.fixture.ts';
import { digestOf, REFERENCE_TREES } from './testing/reference-models.fixture.ts';

/** Log-probabilities of transformers and PEFT, by tree and branch; made by tools/parity/checkpoints.py. */
const recorded = JSON.parse(readFileSync(fixture('checkpoints.json'), 'utf8')) as {
  readonly models: Readonly<Record<string, { readonly digest: string; readonly logps: readonly number[][] }>>;
  readonly adapters: Readonly<
    Record<
      string,
      {
        readonly config: Readonly<Record<string, unknown>>;
        readonly tensors: Readonly<Record<string, readonly number[]>>;
        readonly logps: readonly number[][];
      }
    >
  >;
};
const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());
let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'solopo-brought-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const write = (file: string, value: unknown): void => writeFileSync(join(folder, file), JSON.stringify(value));
const put = (file: string, tensors: ReadonlyMap<string, HostTensor>): void =>
  writeSafetensors(join(folder, file), tensors);

function bring(name: string): void {
  const { settings, tensors } = referenceCheckpoint(name);
  expect(digestOf(tensors), 'the fixture is of another model; make it again').toBe(recorded.models[name]?.digest);
  write('config.json', settings);
  put('model.safetensors', tensors);
}

async function logps(): Promise<readonly number[]> {
  inspectModelFiles(folder);
  const rows = await scoreTrees(LanguageModel.fromFolder(folder, runtime), REFERENCE_TREES, { batchTokens: 1000 });
  return rows.flat().flatMap((row) => [...row]);
}

describe('a folder has the log-probabilities that transformers gives it', () => {
  test.each(REFERENCE_CHECKPOINTS)('%s', async (name) => {
    bring(name);
    expect(farthest([...(await logps())], recorded.models[name]!.logps.flat())).toBeLessThan(1e-4);
  });
});

describe('a base with an adapter has those that PEFT gives them', () => {
  test.each(Object.keys(recorded.adapters))('%s', async (name) => {
    const { config, tensors, logps: expected } = recorded.adapters[name]!;
    bring('llama');
    write('adapter_config.json', config);
    const matrices = Object.entries(tensors).map(([key, dims], i) => [key, referenceMatrix(i, dims)] as const);
    put('adapter_model.safetensors', new Map(matrices));
    expect(farthest([...(await logps())], expected.flat())).toBeLessThan(1e-4);
  });
});

test('the output table of a file was left aside where config.json says that it is the embedding', () => {
  bring('tied, with another output table');
  expect(inspectModelFiles(folder)).toMatchObject({ untied: true, config: { tiedEmbeddings: false } });
  expect(readModelFolder(folder).weights.has('lm_head.weight')).toBe(true);
  for (const name of [
    'tied, one table',
    'tied, with the embedding a second time',
    'tied, with the output table alone',
  ]) {
    bring(name);
    expect(inspectModelFiles(folder)).toMatchObject({ untied: false, config: { tiedEmbeddings: true } });
    expect(readModelFolder(folder).weights.has('lm_head.weight')).toBe(false);
  }
});

test('buffers of older programs are named as ignored, whatever their type', () => {
  bring('rotary frequencies of older programs');
  const buffers = [0, 1].map((layer) => `model.layers.${layer}.self_attn.rotary_emb.inv_freq`);
  expect(inspectModelFiles(folder).ignored).toEqual(buffers);
  expect(inspectModelFiles(folder).untied).toBe(false);
});
