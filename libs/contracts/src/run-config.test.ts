import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runConfigSchema } from './run-config.ts';

const required = { name: 'a run', model: 'm', dataset: 'd', contexts: { long: { documents: 8 } } };
const parse = (changes: object) => runConfigSchema.parse({ ...required, ...changes });
const faults = (changes: object) =>
  runConfigSchema
    .safeParse({ ...required, ...changes })
    .error?.issues.map(({ path, keys }: { path: PropertyKey[]; keys?: string[] }) =>
      [...path, ...(keys ?? [])].join('.'),
    );

describe('a run configuration', () => {
  it('has the defaults that the evidence speaks for', () => {
    expect(parse({})).toMatchObject({
      arm: 'solo',
      objective: { kind: 'dpo', beta: 0.1, loss: 'sigmoid', labelSmoothing: 0 },
      alignment: { alpha: 1, reference: 'shared', distance: 'absolute', sides: 'two', detach: 'short', fraction: 1 },
      adapter: null,
      frozenWeights: 'float32',
      sampling: { on: 'short' },
      watch: { collapse: 'warn' },
    });
  });

  it('follows its arm: sft has its own objective, long samples on long contexts', () => {
    expect(parse({ arm: 'sft' }).objective).toEqual({ kind: 'sft', context: 'short' });
    expect(parse({ arm: 'sft', objective: { context: 'long' } }).objective).toEqual({ kind: 'sft', context: 'long' });
    expect(parse({ arm: 'long' }).sampling.on).toBe('long');
    expect(parse({ arm: 'expand-long' }).sampling.on).toBe('short');
  });

  it('distils answers that are sampled on long contexts, one a context, without a rejected one', () => {
    expect(parse({ arm: 'distil' })).toMatchObject({
      objective: { kind: 'distil' },
      sampling: { on: 'long', samplesPerContext: 1 },
      pairing: { mode: 'samples' },
    });
    expect(parse({ arm: 'distil', sampling: { samplesPerContext: 4 } }).sampling.samplesPerContext).toBe(4);
  });

  it("with preset: paper takes the paper's literal alignment where nothing else is said, and is the same as saying it", () => {
    const literal = { reference: 'per-context', detach: 'none', deadZone: 0 };
    expect(parse({ preset: 'paper', alignment: { alpha: 3 } })).toEqual(parse({ alignment: { ...literal, alpha: 3 } }));
    expect(parse({ preset: 'paper', alignment: { detach: 'short' } }).alignment.detach).toBe('short');
    expect(parse({ preset: 'default' })).toEqual(parse({}));
  });

  it('names a server by its address, as OpenAI clients write it or without the version', () => {
    for (const url of ['http://vllm:8000', 'http://vllm:8000/', 'http://vllm:8000/v1', 'http://vllm:8000/v1/'])
      expect(parse({ sampler: { url } }).sampler).toEqual({
        url: 'http://vllm:8000',
        adapters: 'none',
        check: 'logps',
      });
    expect(parse({ sampler: { url: 'https://h/gate/v1' } }).sampler?.url).toBe('https://h/gate');
  });

  it('read again is the same', () => {
    const sampler = { url: 'http://vllm:8000/v1' };
    for (const changes of [{}, { sampler }, { arm: 'long' }, { arm: 'sft' }, { arm: 'distil' }, { preset: 'paper' }])
      expect(runConfigSchema.parse(parse(changes))).toEqual(parse(changes));
  });

  it.each([
    ['an objective that is not of the arm', { arm: 'sft', objective: { kind: 'dpo' } }, 'objective.kind'],
    ['an arm that is not of the objective', { objective: { kind: 'sft' } }, 'objective.kind'],
    ['distillation of another objective', { arm: 'distil', objective: { kind: 'simpo' } }, 'objective.kind'],
    ['distillation of pairs', { arm: 'distil', pairing: { mode: 'sampled' } }, 'pairing.mode'],
    ['distillation of short samples', { arm: 'distil', sampling: { on: 'short' } }, 'sampling.on'],
    ['pairs without a rejected answer for an arm that reads one', { pairing: { mode: 'samples' } }, 'pairing.mode'],
    [
      "a part of the long row's gradient where it is more than aligned",
      { arm: 'long', alignment: { backward: 'response' } },
      'alignment.backward',
    ],
    ['a tail of no token', { alignment: { backward: { tail: 0 } } }, 'alignment.backward.tail'],
    ['the long arm on short samples', { arm: 'long', sampling: { on: 'short' } }, 'sampling.on'],
    ['long samples outside the long arm', { sampling: { on: 'long' } }, 'sampling.on'],
    [
      'smoothed labels of another loss',
      { objective: { loss: 'ipo', labelSmoothing: 0.1 } },
      'objective.labelSmoothing',
    ],
    ["another objective's option", { objective: { kind: 'simpo', labelSmoothing: 0.1 } }, 'objective.labelSmoothing'],
    ['no fraction', { alignment: { fraction: 0 } }, 'alignment.fraction'],
    ['an unknown preset', { preset: 'papers' }, 'preset'],
    ['a preset that is no word', { preset: { paper: true } }, 'preset'],
    [
      "a layer that onnxruntime's models do not have",
      { adapter: { kind: 'lora', targets: ['q_proj', 'dense'] } },
      'adapter.targets.1',
    ],
    ['frozen weights where all are trained', { frozenWeights: 'int8' }, 'frozenWeights'],
    ['an unknown format', { adapter: { kind: 'lora' }, frozenWeights: 'int4' }, 'frozenWeights'],
    ['bfloat16 of onnxruntime', { precision: 'bfloat16' }, 'precision'],
    [
      'frozen weights in a format of their own under PyTorch',
      { engine: 'torch', adapter: { kind: 'lora' }, frozenWeights: 'int8' },
      'frozenWeights',
    ],
    ['a sampler that is no server', { sampler: { url: 'file:///etc/passwd' } }, 'sampler.url'],
    ['a key in the address of a sampler', { sampler: { url: 'http://user:key@vllm' } }, 'sampler.url'],
    [
      'policies that are no adapters as adapters',
      { sampler: { url: 'http://v', adapters: 'vllm' } },
      'sampler.adapters',
    ],
    ['an unknown engine', { engine: 'jax' }, 'engine'],
    ['an alignment that is no record', { preset: 'paper', alignment: 'shared' }, 'alignment'],
    ['an objective that is no record', { objective: [] }, 'objective'],
  ])('refuses %s', (_, changes, path) => {
    expect(faults(changes)).toEqual([path]);
  });

  it('has any linear layer adapted by PyTorch; by onnxruntime seven, of which it tells', () => {
    const targets = ['query_key_value', 'dense_h_to_4h'];
    expect(parse({ engine: 'torch', adapter: { kind: 'lora', targets } }).adapter?.targets).toEqual(targets);
    expect(parse({ adapter: { kind: 'lora' } }).adapter?.targets).toBe('all-linear');
    const { error } = runConfigSchema.safeParse({ ...required, adapter: { kind: 'lora', targets } });
    expect(error?.issues.map(({ message }) => message)).toEqual(
      targets.map(
        () =>
          expect.stringMatching(/^onnxruntime adapts q_proj, .*, down_proj; name some .* engine to torch/) as string,
      ),
    );
    for (const wrong of [[], ['model.layers.0.q_proj'], ['all-linear'], 'q_proj'])
      expect(
        runConfigSchema.safeParse({ ...required, engine: 'torch', adapter: { kind: 'lora', targets: wrong } }).success,
      ).toBe(false);
  });

  it('says what to do where frozen weights are asked for and all are trained', () => {
    const { error } = runConfigSchema.safeParse({ ...required, frozenWeights: 'float16' });
    expect(error?.issues[0]?.message).toMatch(/train an adapter .*or leave frozenWeights at float32/);
    expect(parse({ adapter: { kind: 'lora' }, frozenWeights: 'float16' }).frozenWeights).toBe('float16');
  });

  it('has an upper bound for every number', () => {
    const unbounded: string[] = [];
    const look = (schema: unknown, path: string): void => {
      if (typeof schema !== 'object' || schema === null) return;
      const { type, maximum, exclusiveMaximum } = schema as Record<string, unknown>;
      const bound = Number(maximum ?? exclusiveMaximum ?? Infinity);
      // zod gives every whole number the bound of what JavaScript counts to.
      if ((type === 'number' || type === 'integer') && bound >= Number.MAX_SAFE_INTEGER) unbounded.push(path);
      for (const [key, member] of Object.entries(schema)) look(member, `${path}.${key}`);
    };
    look(z.toJSONSchema(runConfigSchema, { io: 'input' }), 'run');
    expect(unbounded).toEqual([]);
    expect(faults({ evaluation: { dataset: 'e', documents: [1e15] } })).toEqual(['evaluation.documents.0']);
  });
});
