import { describe, expect, test } from 'vitest';
import { inParts } from './batches.ts';
import { DeviceMemoryError } from './device.ts';
import {
  initialise,
  LanguageModel,
  measureTrees,
  Pace,
  parseModelConfig,
  Runtime,
  scoreTrees,
  type Tree,
} from './index.ts';

/** A clock that moves on by what was worked on: so many ms a token. */
function slowMachine(msPerToken: number) {
  let now = 0;
  return { now: () => now, work: (tokens: number) => void (now += msPerToken * tokens) };
}

describe('work in parts of groups', () => {
  const lengths = [10, 10, 10, 10, 10, 10, 40, 5, 5, 5];

  async function parts(
    msPerToken: number,
    sliceMs: number,
    range: { readonly from?: number; readonly to?: number } = {},
  ) {
    const { now, work } = slowMachine(msPerToken);
    const done: string[] = [];
    const items = lengths.map((length, index) => ({ length, index }));
    await inParts(
      items,
      ({ length }) => length,
      60,
      { pace: new Pace(sliceMs, now), ...range },
      (part, { group }) => {
        work(part.length * Math.max(...group.map(({ length }) => length)));
        done.push(`${part[0]?.index}-${part.at(-1)?.index} of ${group[0]?.index}-${group.at(-1)?.index}`);
        return Promise.resolve();
      },
    );
    return done;
  }

  test('are whole groups where nothing hurries', async () => {
    expect(await parts(1, Infinity)).toEqual(['0-5 of 0-5', '6-6 of 6-6', '7-9 of 7-9']);
  });

  test('begin with one item, and then take what an eighth of the time suffices for', async () => {
    expect(await parts(1, 320)).toEqual(['0-0 of 0-5', '1-4 of 0-5', '5-5 of 0-5', '6-6 of 6-6', '7-9 of 7-9']);
    expect((await parts(1, 8000)).slice(0, 2)).toEqual(['0-0 of 0-5', '1-5 of 0-5']);
  });

  test('are groups as they are where a model cannot be run in parts', async () => {
    const { now, work } = slowMachine(1);
    const done: number[] = [];
    const run = (part: readonly number[]) => Promise.resolve(void done.push(part.length)).then(() => work(20));
    await inParts(lengths, (length) => length, 60, { pace: new Pace(25, now), whole: true }, run);
    expect(done).toEqual([6, 1]);
  });

  test('end with the time, late by no more than one item, and go on from there in the same groups', async () => {
    expect(await parts(1, 25)).toEqual(['0-0 of 0-5', '1-1 of 0-5', '2-2 of 0-5']);
    expect(await parts(1, 25, { from: 3 })).toEqual(['3-3 of 0-5', '4-4 of 0-5', '5-5 of 0-5']);
    expect(await parts(1, 25, { from: 6 })).toEqual(['6-6 of 6-6']);
    expect(await parts(1, Infinity, { from: 8 })).toEqual(['8-9 of 7-9']);
    expect(await parts(1, Infinity, { from: 2, to: 8 })).toEqual(['2-5 of 0-5', '6-6 of 6-6', '7-7 of 7-9']);
  });

  test('that a device has no room for come again in groups of half the size; what was done stays done', async () => {
    const done: string[] = [];
    const items = Array.from({ length: 6 }, (_, index) => index);
    await inParts(
      items,
      () => 10,
      60,
      { pace: new Pace() },
      (part, { group }) => {
        if (group.length > 2) throw new DeviceMemoryError('full');
        done.push(part.join());
        return Promise.resolve();
      },
    );
    expect(done).toEqual(['0', '1,2', '3', '4,5']);
    const full = () => Promise.reject(new DeviceMemoryError('full'));
    await expect(inParts(items, () => 10, 60, { pace: new Pace() }, full)).rejects.toThrow(
      /no room for 10 tokens at a time/,
    );
  });
});

describe.each([1, 2])('with %i threads', (threads) => {
  const runtime = new Runtime({ threads });
  const config = parseModelConfig({
    model_type: 'qwen2',
    // Rows of logits begin at other places of registers.
    vocab_size: 211,
    hidden_size: 256,
    num_hidden_layers: 1,
    num_attention_heads: 16,
    num_key_value_heads: 1,
    intermediate_size: 512,
    tie_word_embeddings: true,
  });
  const model = new LanguageModel(
    config,
    initialise(config, { seed: 1, embeddingStd: 0.5, residualScale: 1 }),
    runtime,
  );
  const tokens = (length: number, seed: number) =>
    Int32Array.from({ length }, (_, i) => (i * i * 7 + 3 * i + 11 * seed + 5) % 211);
  const lengths = [30, 81, 142, 23, 60];
  const trees = lengths.map((length, i): Tree => ({
    prompt: tokens(length, i),
    branches: [tokens(3 + ((i * 7) % 18), i + 1), tokens(3 + ((i * 11) % 18), i + 2)],
  }));
  /** With responses of one token each: one in a product alone is multiplied in another order than two. */
  const probes = lengths.map((length, i): Tree => ({ prompt: tokens(length, i), branches: [tokens(1, i)] }));

  /** So many ms go by between two looks at the clock, so that the parts are of one tree, of two, of some. */
  const pace = (sliceMs: number, tick: number) => {
    let now = 0;
    return new Pace(sliceMs, () => (now += tick));
  };

  test('however work is cut, scores and statistics are those of whole batches, to the last bit', async () => {
    for (const all of [trees, probes]) {
      const options = { batchTokens: 500, scorePrompt: all === trees };
      const whole = await scoreTrees(model, all, options);
      const measured = await measureTrees(model, all, options);
      for (const [sliceMs, tick] of [[1e6, 300], ...(threads === 1 ? ([[3, 1]] as const) : [])] as const) {
        const scores: Float32Array[][] = [];
        const batches: number[] = [];
        while (scores.length < all.length) {
          const onBatch = (done: number) => batches.push(done);
          scores.push(
            ...(await scoreTrees(model, all, { ...options, from: scores.length, pace: pace(sliceMs, tick), onBatch })),
          );
        }
        expect(batches.length).toBeGreaterThan(1);
        expect(scores).toEqual(whole);
        const statistics = await measureTrees(model, all, { ...options, pace: pace(sliceMs, tick) });
        const rest = await measureTrees(model, all, { ...options, from: statistics.length });
        expect([...statistics, ...rest]).toEqual(measured);
      }
      expect(await measureTrees(model, all, { ...options, from: 2, to: 3 })).toEqual(measured.slice(2, 3));
    }
  });
});
