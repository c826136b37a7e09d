import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EngineKind } from '@solopo/contracts';
import { readSafetensors, sumOf, type LoraOptions, type PreferenceOptions, type TrainingPair } from '@solopo/lm';
import { NO_TORCH, torchPython } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { Engine, type ModelSource, type Progress, type Tasks, type TrainSliceOutput } from './index.ts';

/**
 * docs/engine-protocol.md, held by both engines over the bundled model: each alone, and their numbers beside each other. What is equal to
 * the bit within one engine is near between two: sums are made in other orders.
 */
const KINDS: readonly EngineKind[] = ['onnx', 'torch'];
const FOLDER = fileURLToPath(new URL('../../../data/models/retrieval-144k', import.meta.url));
const python = torchPython();
const engine = new Engine({ threads: 1, ...(python === undefined ? {} : { torch: { python } }) });
const model: ModelSource = { folder: FOLDER };
const lora: LoraOptions = { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'down_proj'], rsLora: false };

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'solopo-conformance-'));
});
afterAll(() => {
  engine.close();
  rmSync(scratch, { recursive: true, force: true });
});

function run<K extends keyof Tasks>(
  kind: EngineKind,
  task: K,
  input: Tasks[K]['input'],
  onProgress?: (progress: Progress) => void,
): Promise<Tasks[K]['output']> {
  return engine.run(task, input, { engine: kind, onProgress });
}

/** Each engine loads once for the tests of its own; those of both follow, from what was kept. */
const kept = new Map<string, unknown>();
async function once<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (!kept.has(name)) kept.set(name, await work());
  return kept.get(name) as T;
}

function needs(context: TestContext, kind: EngineKind): void {
  if (kind === 'torch' && python === undefined) context.skip(NO_TORCH);
}

/** Of the model's 60 or so tokens, without its control tokens. */
const ids = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => 6 + ((i * i * 7 + salt * 13 + i) % 40));
const trees = [1, 2, 3, 4].map((salt) => ({
  prompt: ids(20 + 31 * salt, salt),
  branches: [ids(3 + salt, salt + 9), ids(5, salt + 5)],
}));
const score = (kind: EngineKind): Promise<Tasks['score']['output']> =>
  once(`score ${kind}`, () => run(kind, 'score', { model, trees, batchTokens: 200 }));
const measure = (kind: EngineKind): Promise<Tasks['measure']['output']> =>
  once(`measure ${kind}`, () => run(kind, 'measure', { model, trees, batchTokens: 200, scorePrompt: true }));
const inspectedRows = trees.slice(0, 2).map(({ prompt, branches }) => ({
  prompt,
  response: branches[0]!,
  evidence: [{ start: 4, end: 11 }],
}));
const inspect = (kind: EngineKind): Promise<Tasks['inspect']['output']> =>
  once(`inspect ${kind}`, () => run(kind, 'inspect', { model, rows: inspectedRows }));
const rowsOf = (logps: readonly (readonly Float32Array[])[]): number[] =>
  logps.flatMap((tree) => tree.flatMap((branch) => [...branch]));
const greatest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));

const greedy = { samplesPerPrompt: 1, temperature: 0, topP: 1, maxNewTokens: 12, eosIds: [], seed: 3 };
const prompts = trees.map(({ prompt }, i) => ({ tokens: prompt, key: [i, 77] as const }));
const sample = (kind: EngineKind, changes: Partial<typeof greedy> = {}): Promise<Tasks['sample']['output']> =>
  once(`sample ${kind} ${JSON.stringify(changes)}`, () =>
    run(kind, 'sample', { model, prompts, options: { ...greedy, ...changes }, batchTokens: 400 }),
  );

const pairs: readonly TrainingPair[] = [1, 2, 3, 4].map((salt) => ({
  short: ids(18, salt),
  long: ids(40 + 9 * salt, salt + 3),
  chosen: ids(3, salt + 20),
  rejected: ids(4, salt + 31),
  reference: { shortChosen: -3 - salt, shortRejected: -4.5, longChosen: -5, longRejected: -6 },
}));
/** DPO trains the adapter, SimPO every parameter. */
const optionsOf = (adapter: boolean): PreferenceOptions => ({
  arm: 'solo',
  objective: adapter
    ? { kind: 'dpo', beta: 0.3, loss: 'sigmoid', labelSmoothing: 0 }
    : { kind: 'simpo', beta: 2, gamma: 0.5 },
  alignment: {
    alpha: 1,
    reference: 'shared',
    distance: 'absolute',
    sides: 'two',
    detach: 'short',
    deadZone: 1e-5,
    fraction: 1,
  },
  optimizer: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.01 },
  schedule: { learningRate: 1e-3, schedule: 'cosine', warmupRatio: 0.2, finalLearningRateRatio: 0.1 },
  clipNorm: 1,
  microBatchTokens: 300,
  steps: 10,
});
const outputs = (name: string) => ({
  weights: join(scratch, `${name}.safetensors`),
  optimizerState: join(scratch, `${name}.state.safetensors`),
});
const BATCHES = Array.from({ length: 10 }, (_, step) => [step % 4, (step + 1) % 4]);
const train = (kind: EngineKind, adapter: boolean, given: Partial<Tasks['trainSlice']['input']> = {}, name = 'ten') =>
  once(`train ${kind} ${adapter} ${name}`, () =>
    run(kind, 'trainSlice', {
      model: adapter ? { folder: FOLDER, adapter: { options: lora, seed: 5 } } : model,
      fromStep: 0,
      options: optionsOf(adapter),
      pairs,
      batches: BATCHES,
      out: outputs(`${kind}-${adapter}-${name}`),
      ...given,
    }),
  );
const lossesOf = ({ steps }: TrainSliceOutput): number[] => steps.map(({ metrics }) => metrics['loss'] as number);

describe.each(KINDS)('the engine %s', (kind) => {
  test('tells a fingerprint that stays, and where it computes', async (context) => {
    needs(context, kind);
    const fingerprint = await run(kind, 'fingerprint', {});
    expect(await run(kind, 'fingerprint', {})).toBe(fingerprint);
    expect(fingerprint).toMatch(/; cpu float32\b.*; threads 1\b/);
    expect(engine.state).toMatchObject({
      device: 'cpu',
      reason: expect.any(String),
      allocatedBytes: expect.any(Number),
    });
  });

  test('scores each branch as if it stood alone behind its prompt, tells how far it is, and the same bits again', async (context) => {
    needs(context, kind);
    const progress: Progress[] = [];
    const { logps, tokens } = await run(kind, 'score', { model, trees, batchTokens: 200 }, (told) =>
      progress.push(told),
    );
    kept.set(`score ${kind}`, { logps, tokens });
    expect(logps.map((tree) => tree.map(({ length }) => length))).toEqual(
      trees.map(({ branches }) => branches.map(({ length }) => length)),
    );
    expect(rowsOf(logps).every((logp) => logp < 0)).toBe(true);
    expect(tokens).toBe(
      trees.reduce((sum, { prompt, branches }) => sum + prompt.length + branches[0]!.length + branches[1]!.length, 0),
    );
    expect(progress.slice(0, 2)).toEqual([{ kind: 'loading' }, { kind: 'done', count: 0 }]);
    expect(progress.at(-1)).toEqual({ kind: 'done', count: 4 });

    expect((await run(kind, 'score', { model, trees, batchTokens: 200 })).logps).toEqual(logps);
    const apart = trees.map(({ prompt, branches }) => ({ prompt, branches: branches.slice(1) }));
    const alone = await run(kind, 'score', { model, trees: apart, batchTokens: 200 });
    const second = logps.flatMap((tree) => [...tree[1]!]);
    expect(greatest(second, rowsOf(alone.logps))).toBeLessThan(1e-5);
  });

  test('scores a range of the trees to the bits that all of them give, and the first of them where its time is over', async (context) => {
    needs(context, kind);
    const { logps } = await score(kind);
    const input = { model, trees, batchTokens: 200 };
    const cut = await run(kind, 'score', { ...input, from: 1, to: 3 });
    expect(cut.logps).toEqual(logps.slice(1, 3));
    const hurried = await run(kind, 'score', { ...input, from: 1, sliceMs: 0 });
    expect(hurried.logps.length).toBeGreaterThanOrEqual(1);
    expect(hurried.logps.length).toBeLessThan(3);
    expect(hurried.logps).toEqual(logps.slice(1, 1 + hurried.logps.length));
  });

  test('measures what it scores, and the prompt where it is asked to', async (context) => {
    needs(context, kind);
    const { logps } = await score(kind);
    const measured = await measure(kind);
    measured.forEach(({ branches, prompt }, tree) => {
      expect(prompt?.tokens).toBe(trees[tree]!.prompt.length - 1);
      branches.forEach(({ tokens, logp, hits, entropy }, branch) => {
        const row = logps[tree]![branch]!;
        expect(tokens).toBe(row.length);
        expect(Math.abs(logp - sumOf(row))).toBeLessThan(1e-4);
        expect(hits).toBeLessThanOrEqual(tokens);
        expect(entropy).toBeGreaterThan(0);
      });
    });
    const [without] = await run(kind, 'measure', { model, trees, batchTokens: 200, scorePrompt: false });
    expect(without?.prompt).toBeNull();
  });

  test('inspects: shares of attention add up to one in every layer', async (context) => {
    needs(context, kind);
    const { logps } = await score(kind);
    (await inspect(kind)).forEach(({ logps: own, attention }, row) => {
      expect(greatest([...own], [...logps[row]![0]!])).toBeLessThan(1e-4);
      expect(attention.length).toBeGreaterThan(0);
      for (const { evidence, rest, response } of attention) expect(evidence + rest + response).toBeCloseTo(1, 4);
    });
  });

  test('answers, greedily and by draws that depend on seed and key alone, and stops at an end token', async (context) => {
    needs(context, kind);
    const { samples, engine: by, exactWeights } = await sample(kind);
    expect(samples.map((answers) => answers.map(({ tokens, finish, logp }) => [tokens.length, finish, logp]))).toEqual(
      prompts.map(() => [[12, 'length', 0]]),
    );
    expect([by, exactWeights]).toEqual([await run(kind, 'fingerprint', {}), 0]);

    const third = samples[0]![0]!.tokens[2]!;
    const ended = await sample(kind, { eosIds: [third] as never[] });
    const first = [...samples[0]![0]!.tokens];
    expect(ended.samples[0]![0]).toMatchObject({ finish: 'stop' });
    expect([...ended.samples[0]![0]!.tokens]).toEqual(first.slice(0, first.indexOf(third)));

    const drawing = { samplesPerPrompt: 3, temperature: 0.9, topP: 0.95, maxNewTokens: 6 };
    const drawn = await sample(kind, drawing);
    expect(drawn.samples.every((answers) => answers.length === 3)).toBe(true);
    expect(drawn.samples.flat().every(({ logp }) => logp < 0)).toBe(true);
    const turned = await run(kind, 'sample', {
      model,
      prompts: prompts.toReversed(),
      options: { ...greedy, ...drawing },
      batchTokens: 400,
    });
    expect(turned.samples.toReversed().map((answers) => answers.map(({ tokens }) => [...tokens]))).toEqual(
      drawn.samples.map((answers) => answers.map(({ tokens }) => [...tokens])),
    );
  });

  test.for([false, true])(
    'takes steps that lower the loss, the same in two slices as in one (an adapter: %s)',
    async (adapter, context) => {
      needs(context, kind);
      const whole = await train(kind, adapter);
      expect(whole.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      const losses = lossesOf(whole);
      expect(losses.at(-1)).toBeLessThan(losses[0]!);
      expect(whole.steps[0]!.phaseSeconds).toMatchObject({
        load: expect.any(Number),
        forward: expect.any(Number),
        backward: expect.any(Number),
        optimizer: expect.any(Number),
      });
      expect(whole.steps.at(-1)!.phaseSeconds).toHaveProperty('checkpoint');

      await train(kind, adapter, { batches: BATCHES.slice(0, 6) }, 'first');
      const first = outputs(`${kind}-${adapter}-first`);
      const rest = await train(
        kind,
        adapter,
        {
          model: adapter
            ? { folder: FOLDER, adapter: { options: lora, weights: first.weights } }
            : { folder: FOLDER, weights: first.weights },
          optimizerState: first.optimizerState,
          fromStep: 6,
          batches: BATCHES.slice(6),
        },
        'rest',
      );
      expect(lossesOf(rest)).toEqual(losses.slice(6));
      const [one, two] = ['ten', 'rest'].map((name) => readSafetensors(outputs(`${kind}-${adapter}-${name}`).weights));
      expect([...one!.tensors.keys()].sort()).toEqual([...two!.tensors.keys()].sort());
      for (const [name, { data }] of one!.tensors) expect(two!.tensors.get(name)?.data, name).toEqual(data);
    },
  );

  test('refuses a model folder with something missing by name, and goes on', async (context) => {
    needs(context, kind);
    const broken = mkdtempSync(join(scratch, 'broken-'));
    writeFileSync(join(broken, 'config.json'), '{"model_type":"qwen2"}');
    await expect(run(kind, 'score', { model: { folder: broken }, trees, batchTokens: 200 })).rejects.toMatchObject({
      code: 'model-invalid',
      retryable: false,
    });
    expect((await run(kind, 'score', { model, trees: trees.slice(0, 1), batchTokens: 200 })).logps).toHaveLength(1);
  });

  test('refuses a device that is not there', async (context) => {
    needs(context, kind);
    const other = new Engine({ threads: 1, device: 'cuda', ...(python === undefined ? {} : { torch: { python } }) });
    try {
      await expect(other.run('fingerprint', {}, { engine: kind })).rejects.toMatchObject({ code: 'device-missing' });
    } catch (error) {
      // With a GPU there is nothing to refuse.
      if (other.state?.device !== 'cuda') throw error;
    } finally {
      other.close();
    }
  });
});

describe('the two engines', () => {
  test('give log-probabilities within 1e-4 of each other, and statistics and attention', async (context) => {
    needs(context, 'torch');
    const [onnx, torch] = [await score('onnx'), await score('torch')];
    expect(greatest(rowsOf(onnx.logps), rowsOf(torch.logps))).toBeLessThan(1e-4);
    expect(torch.tokens).toBe(onnx.tokens);
    near(await measure('torch'), await measure('onnx'), { absolute: 1e-3, path: 'measure' });
    near(await inspect('torch'), await inspect('onnx'), { absolute: 1e-3, path: 'inspect' });
  });

  test('answer greedily with the same tokens, and draw the same at a temperature', async (context) => {
    needs(context, 'torch');
    const drawing = { samplesPerPrompt: 3, temperature: 0.9, topP: 0.95, maxNewTokens: 6 };
    for (const changes of [{}, drawing]) {
      const [onnx, torch] = [await sample('onnx', changes), await sample('torch', changes)];
      expect(torch.samples.map((answers) => answers.map(({ tokens }) => [...tokens]))).toEqual(
        onnx.samples.map((answers) => answers.map(({ tokens }) => [...tokens])),
      );
    }
  });

  test.for([false, true])(
    'learn alike: ten steps with every metric within 1e-4 (an adapter: %s)',
    async (adapter, context) => {
      needs(context, 'torch');
      const [onnx, torch] = [await train('onnx', adapter), await train('torch', adapter)];
      onnx.steps.forEach(({ metrics, policyTokens }, i) => {
        const other = torch.steps[i]!;
        expect(Object.keys(other.metrics).sort()).toEqual(Object.keys(metrics).sort());
        expect(other.policyTokens).toBe(policyTokens);
        for (const [name, value] of Object.entries(metrics))
          expect(
            Math.abs(other.metrics[name]! - value),
            `${name} of step ${i + 1}: ${other.metrics[name]} for ${value}`,
          ).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(value)));
      });
      const [a, b] = (['onnx', 'torch'] as const).map((kind) =>
        readSafetensors(outputs(`${kind}-${adapter}-ten`).weights),
      );
      expect([...b!.tensors.keys()].sort()).toEqual([...a!.tensors.keys()].sort());
      expect(a!.tensors.size).toBeGreaterThan(0);
      for (const [name, { dims }] of a!.tensors) expect(b!.tensors.get(name)?.dims, name).toEqual(dims);
    },
  );

  test('go on from each other: an adapter and an optimiser state of one are read by the other', async (context) => {
    needs(context, 'torch');
    const first = outputs('onnx-true-first');
    const given = {
      model: { folder: FOLDER, adapter: { options: lora, weights: first.weights } },
      optimizerState: first.optimizerState,
      fromStep: 6,
      batches: BATCHES.slice(6),
    };
    const [onnx, torch] = [await train('onnx', true, given, 'rest'), await train('torch', true, given, 'after onnx')];
    expect(greatest(lossesOf(onnx), lossesOf(torch))).toBeLessThan(1e-4);
  });
});

/** Numbers at any depth, and nothing but the same fields. */
function near(actual: unknown, expected: unknown, { absolute, path }: { absolute: number; path: string }): void {
  if (typeof expected === 'number') {
    expect(Math.abs((actual as number) - expected), `${path}: ${String(actual)} for ${expected}`).toBeLessThan(
      absolute * Math.max(1, Math.abs(expected)),
    );
  } else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(actual as object).sort(), path).toEqual(Object.keys(expected).sort());
    for (const [key, value] of Object.entries(expected))
      near((actual as Record<string, unknown>)[key], value, { absolute, path: `${path}.${key}` });
  } else expect(actual, path).toEqual(expected);
}
