import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mergeByName } from './merge-by-name.ts';
import { readSafetensors, writeSafetensors, type HostTensor } from './safetensors.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'solopo-merge-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Numbers that tell a tensor from its transpose and from others. */
const tensor = (dims: readonly number[], salt = 1): HostTensor => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => Math.sin(salt + 3 * i)),
});
const path = (name: string): string => join(folder, name);

function write(config: object, files: Readonly<Record<string, Readonly<Record<string, HostTensor>>>>): void {
  writeFileSync(path('config.json'), JSON.stringify(config));
  for (const [file, tensors] of Object.entries(files)) writeSafetensors(path(file), new Map(Object.entries(tensors)));
  const shards = Object.entries(files).filter(([file]) => file.startsWith('model-'));
  const map = shards.flatMap(([file, tensors]) => Object.keys(tensors).map((name) => [name, file]));
  if (shards.length > 0)
    writeFileSync(path('model.safetensors.index.json'), JSON.stringify({ weight_map: Object.fromEntries(map) }));
}

/** PEFT's file of an adapter on these modules: [outputs, inputs] of each. */
const adapterOn = (modules: Readonly<Record<string, readonly [number, number]>>, rank = 2) =>
  Object.fromEntries(
    Object.entries(modules).flatMap(([name, [outputs, inputs]]) => [
      [`base_model.model.${name}.lora_A.weight`, tensor([rank, inputs], 5)] as const,
      [`base_model.model.${name}.lora_B.weight`, tensor([outputs, rank], 7)] as const,
    ]),
  );

function merged(scale = 1.5): Map<string, HostTensor> {
  mergeByName(folder, { adapter: path('adapter.safetensors'), scale }, path('merged.safetensors'));
  return readSafetensors(path('merged.safetensors')).tensors;
}

/** W + s B A by its definition, or W' + s (B A)'. */
function expected(w: HostTensor, adapter: Readonly<Record<string, HostTensor>>, module: string, turned = false) {
  const [a, b] = ['A', 'B'].map((which) => adapter[`base_model.model.${module}.lora_${which}.weight`] as HostTensor);
  const at = ({ dims, data }: HostTensor, i: number, j: number): number => data[i * (dims[1] as number) + j] as number;
  const [rows, columns] = w.dims as readonly [number, number];
  return Array.from({ length: rows * columns }, (_, index) => {
    const [i, j] = [Math.floor(index / columns), index % columns];
    const [output, input] = turned ? [j, i] : [i, j];
    const sum = [0, 1].reduce((total, r) => total + at(b!, output, r) * at(a!, r, input), 0);
    return at(w, i, j) + 1.5 * sum;
  });
}

function expectNear(found: HostTensor | undefined, numbers: readonly number[]): void {
  expect(found?.data.length).toBe(numbers.length);
  numbers.forEach((number, i) => expect(found?.data[i]).toBeCloseTo(number, 5));
}

it('adds s B A to the weights that an adapter names, in files in parts, and leaves all else as it is', () => {
  const [qkv, dense] = ['gpt_neox.layers.0.attention.query_key_value', 'gpt_neox.layers.1.attention.dense'] as const;
  const adapter = adapterOn({ [qkv]: [12, 4], [dense]: [4, 4] });
  const first = {
    'gpt_neox.embed_in.weight': tensor([9, 4]),
    [`${qkv}.weight`]: tensor([12, 4], 2),
    [`${qkv}.bias`]: tensor([12], 3),
  };
  const second = { [`${dense}.weight`]: tensor([4, 4], 4), 'embed_out.weight': tensor([9, 4], 6) };
  write(
    { model_type: 'gpt_neox' },
    { 'model-1.safetensors': first, 'model-2.safetensors': second, 'adapter.safetensors': adapter },
  );
  const found = merged();
  expect([...found.keys()].sort()).toEqual([...Object.keys(first), ...Object.keys(second)].sort());
  expectNear(found.get(`${qkv}.weight`), expected(first[`${qkv}.weight`]!, adapter, qkv));
  expectNear(found.get(`${dense}.weight`), expected(second[`${dense}.weight`]!, adapter, dense));
  for (const [name, { data }] of Object.entries({ ...first, ...second }))
    if (name !== `${qkv}.weight` && name !== `${dense}.weight`) expect(found.get(name)?.data).toEqual(data);
});

it("adds it to GPT-2's weights, which are kept turned, in files that leave out the model's own name", () => {
  const [square, wide] = ['transformer.h.0.attn.c_proj', 'transformer.h.0.attn.c_attn'] as const;
  const adapter = adapterOn({ [square]: [4, 4], [wide]: [12, 4] });
  const base = {
    'h.0.attn.bias': tensor([1, 1, 3, 3]),
    'h.0.attn.c_proj.weight': tensor([4, 4]),
    'h.0.attn.c_attn.weight': tensor([4, 12], 2),
  };
  write({ model_type: 'gpt2' }, { 'model.safetensors': base, 'adapter.safetensors': adapter });
  const found = merged();
  expectNear(found.get('h.0.attn.c_proj.weight'), expected(base['h.0.attn.c_proj.weight'], adapter, square, true));
  expectNear(found.get('h.0.attn.c_attn.weight'), expected(base['h.0.attn.c_attn.weight'], adapter, wide, true));
  // A causal mask is made anew.
  expect(found.size).toBe(2);
});

it.each([
  [
    'a layer that transformers makes of several tensors',
    { 'model.layers.0.attn.qkv': [12, 4] },
    /no tensor "model\.layers\.0\.attn\.qkv\.weight": .* merge_and_unload/,
  ],
  [
    'a weight of another shape',
    { 'model.layers.0.attn.q_proj': [8, 4] },
    /"model\.layers\.0\.attn\.q_proj\.weight" of the base model has shape \[4, 4\], .* one of \[8, 4\]/,
  ],
] as const)('%s is refused by name', (_, modules, message) => {
  const base = { 'model.layers.0.attn.q_proj.weight': tensor([4, 4]) };
  write({ model_type: 'olmo2' }, { 'model.safetensors': base, 'adapter.safetensors': adapterOn(modules) });
  expect(() => merged()).toThrow(message);
});

it('what is no matrix of LoRA is refused by name', () => {
  const module = 'model.layers.0.attn.q_proj';
  const adapter = {
    ...adapterOn({ [module]: [4, 4] }),
    [`base_model.model.${module}.lora_magnitude_vector`]: tensor([4]),
  };
  write(
    { model_type: 'olmo2' },
    { 'model.safetensors': { [`${module}.weight`]: tensor([4, 4]) }, 'adapter.safetensors': adapter },
  );
  expect(() => merged()).toThrow(/"base_model\..*lora_magnitude_vector" is no matrix of LoRA/);
});
