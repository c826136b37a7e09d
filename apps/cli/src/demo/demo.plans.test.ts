import { access, readdir } from 'node:fs/promises';
import { runConfigSchema, type Example } from '@solopo/contracts';
import { readExamples } from '@solopo/corpus';
import { describe, expect, it } from 'vitest';
import { CORPORA, demoOptions, type DemoValues } from './demo.options.ts';
import { corpusPlan } from './corpus.plan.ts';
import type { DemoPlan } from './demo.plan.ts';
import { realPlan } from './real.plan.ts';
import { retrievalPlan } from './retrieval.plan.ts';

function planOf(values: DemoValues = {}): DemoPlan {
  const options = demoOptions(values);
  if (options.real) return realPlan(options);
  return options.corpus === 'retrieval' ? retrievalPlan(options) : corpusPlan(options.corpus, options);
}

async function collect<T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const linesOf = ({ lines }: DemoPlan['training']): Promise<string[]> => collect(lines());

describe('the options', () => {
  it('name a file that can be written', () => {
    expect(() => demoOptions({ json: '/nowhere/at/all.json' })).toThrow(
      '--json cannot write into /nowhere/at; make that folder, or name another file.',
    );
  });
});

describe('a plan', () => {
  it.each<[DemoValues]>([
    [{}],
    [{ quick: true }],
    [{ quick: true, softwareDriver: 'swiftshader' }],
    [{ arms: ['solo-both', 'long'], objective: 'orpo', lora: true }],
    [{ corpus: 'musique' }],
    [{ corpus: 'hotpotqa', quick: true, objective: 'simpo', lora: true }],
    [{ corpus: '2wiki', tokenizer: 'smollm2', objective: 'orpo', arms: ['short', 'solo'] }],
    [{ real: true }],
    [{ real: true, quick: true, objective: 'orpo', arms: ['short', 'solo'] }],
    [{ real: true, softwareDriver: 'swiftshader' }],
    [{ engine: 'torch' }],
    [{ corpus: 'musique', engine: 'torch' }],
  ])('%j is a valid run configuration', (values) => {
    const { settings, arms } = planOf(values);
    for (const arm of arms) {
      const config = {
        ...settings,
        name: arm,
        arm,
        model: 'm',
        dataset: 'd',
        evaluation: { ...settings.evaluation, dataset: 'e' },
      };
      expect(runConfigSchema.safeParse(config).error).toBeUndefined();
    }
  });

  it('by PyTorch says so in its runs, and asks for no rounded weights', () => {
    for (const values of [{}, { real: true }, { corpus: 'hotpotqa' }] as const) {
      expect(planOf(values).settings).toMatchObject({ engine: 'onnx' });
      const { engine, sampling, evaluation } = planOf({ ...values, engine: 'torch' }).settings;
      expect(engine).toBe('torch');
      for (const part of [sampling, evaluation]) expect(part?.weights ?? 'float32').toBe('float32');
    }
    expect(planOf({ real: true }).settings.sampling).toMatchObject({ weights: 'int8' });
  });

  it('on a driver in software is smaller with --quick, has every stage, and says so first', () => {
    const [usual, small] = [null, 'swiftshader'].map((softwareDriver) => planOf({ quick: true, softwareDriver }));
    expect(small?.remarks[0]).toMatch(/SMALLER THAN --quick.*software.*swiftshader/);
    expect(usual?.remarks.join()).not.toMatch(/SMALLER/);
    expect(small?.settings.evaluation.questions).toBeLessThan(usual?.settings.evaluation.questions ?? 0);
    expect(small?.arms).toEqual(usual?.arms);
    expect(planOf({ softwareDriver: 'swiftshader' }).remarks[0]).toMatch(/takes hours/);
  });

  it.each(CORPORA)('of %s has readable examples, the same for the same seed', async (corpus) => {
    const plan = planOf({ quick: true, corpus, seed: 3 });
    const lines = await linesOf(plan.training);
    expect(await linesOf(planOf({ quick: true, corpus, seed: 3 }).training)).toEqual(lines);
    const read = await collect(readExamples(lines.join(''), plan.training.format));
    expect(read.filter((line) => !('example' in line))).toEqual([]);
    expect(read).toHaveLength(corpus === 'retrieval' ? 600 : 24);
  });

  it('never trains on a question it asks', async () => {
    const { training, evaluation } = planOf({ quick: true });
    const beginning = (line: string) =>
      (JSON.parse(line) as Example).documents
        .slice(0, 2)
        .map(({ text }) => text)
        .join('|');
    const trained = new Set((await linesOf(training)).map(beginning));
    const asked = (await linesOf(evaluation)).map(beginning);
    expect(asked).toHaveLength(300);
    expect(asked.filter((documents) => trained.has(documents))).toEqual([]);
    expect(asked).not.toEqual((await linesOf(planOf({ quick: true, seed: 1 }).evaluation)).map(beginning));
  });

  it('of the real model trains and asks on different records, none answered by yes, no or its own words', async () => {
    const { training, evaluation, settings } = planOf({ real: true });
    const idsOf = async ({ lines, format }: DemoPlan['training']) =>
      (await collect(readExamples((await collect(lines())).join(''), format))).map((line) => {
        if (!('example' in line)) throw new Error(JSON.stringify(line));
        const [answer = ''] = line.example.answers;
        expect(answer).not.toMatch(/^(yes|no)$/i);
        expect(line.example.question.toLowerCase()).not.toContain(answer.toLowerCase());
        return line.example.id;
      });
    const [trained, asked] = [await idsOf(training), await idsOf(evaluation)];
    expect([trained.length, new Set([...trained, ...asked]).size]).toEqual([72, 72 + asked.length]);
    expect(asked).toHaveLength(settings.evaluation.questions ?? 0);
  });

  it('makes its random model, and takes it away again', async () => {
    const folder = await planOf({ corpus: 'musique' }).openModel({
      say: () => undefined,
      signal: new AbortController().signal,
    });
    expect((await readdir(folder.path)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    await folder.dispose();
    await expect(access(folder.path)).rejects.toThrow('ENOENT');
  });
});
