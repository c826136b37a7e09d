// Stages of a run, from contexts to pairs: judged and paired as workers do it, with contexts and samples that nothing computed.
import { retrievalTokenizer } from '@solopo/corpus';
import { contextDigest } from '@solopo/pipeline';
import { TextModel } from '@solopo/text';
import { beginChunk, completeChunk } from '@solopo/workflow';
import { Datasets } from '../../apps/datagen/dist/datasets.js';
import { PairResponses } from '../../apps/datagen/dist/functions/pair-responses.js';

const EXECUTOR = { worker: 'load:1', version: '0.0.0', leaseMs: 60_000 };
const CONTEXT = { advanced: async () => undefined };
/** Where a run comes to its pairs. */
const KINDS = ['compose', 'sample', 'pair'];

/** Until the pairs are there; the seconds are those of sampling and pairing. */
export async function sampleToPair(ledger, run) {
  const datasets = new Datasets(ledger);
  const text = TextModel.fromFiles(retrievalTokenizer());
  const pairing = new PairResponses(ledger, { text: async () => text }, datasets);
  const work = { compose: composed(), sample: sampled(ledger), pair: (given) => pairing.execute(given, CONTEXT) };
  const heaps = [];
  let seconds = 0;
  let made = 0;
  for (const kind of KINDS) {
    const { digest } = (await ledger.runs.stages(run)).find((stage) => stage.kind === kind);
    const began = performance.now();
    for (;;) {
      const stage = await ledger.stages.require(digest);
      if (stage.state === 'done' || stage.chunksDone === stage.chunks) break;
      const job = { id: `${digest}:${stage.chunksDone}`, stage: digest, chunk: stage.chunksDone };
      const begun = await ledger.transaction((tx) => beginChunk(tx, job, EXECUTOR));
      if (begun.status !== 'ready') throw new Error(`${kind}: a chunk is ${begun.status}`);
      const { range, start, items, spec } = begun;
      const effects = await work[kind]({ stage: digest, spec, range, start, items });
      const to = effects.itemsDone === undefined ? range.to : range.from + effects.itemsDone;
      await ledger.transaction((tx) =>
        completeChunk(tx, job, begun.execution, {
          seconds: 1,
          range: { from: range.from, to },
          result: effects.result,
          write: effects.write,
        }),
      );
      if (kind === 'pair') made += effects.result.pairs + effects.result.heldOut;
      globalThis.gc?.();
      heaps.push({ kind, bytes: process.memoryUsage().heapUsed });
    }
    if (kind !== 'compose') seconds += (performance.now() - began) / 1000;
  }
  const ofSamples = heaps.filter(({ kind }) => kind === 'sample').map(({ bytes }) => bytes);
  return {
    made,
    seconds,
    growthBytes: ((ofSamples.at(-1) - ofSamples[Math.floor(ofSamples.length / 4)]) / made) * 100_000 * (4 / 3),
  };
}

function composed() {
  return async ({ stage, range }) => {
    const assignments = [];
    const contexts = [];
    for (let position = range.from; position < range.to; position++) {
      const [short, long] = ['short', 'long'].map((kind, index) => {
        const context = { kind, tokens: Int32Array.of(position % 50, position % 40, index), evidence: [] };
        return { ...context, digest: contextDigest(context) };
      });
      contexts.push(short, long);
      assignments.push({ position, short: short.digest, long: long.digest });
    }
    const distinct = [...new Map(contexts.map((context) => [context.digest, context])).values()];
    return {
      result: { composed: assignments.length },
      write: async (tx) => {
        await tx.contexts.insert(distinct);
        await tx.contexts.assign(stage, assignments);
      },
    };
  };
}

/** A sampler that answers at random, in a token or two: the one answer right, the other not. */
function sampled(ledger) {
  return async ({ stage, spec, range }) => {
    const { spec: compose } = await ledger.stages.require(spec.compose);
    const samples = (await ledger.datasets.examples(compose.dataset, range)).flatMap(({ position, content }) =>
      [content.answers[0], 'nobody'].map((text, sampleIndex) => ({
        position,
        sampleIndex,
        tokens: Int32Array.of(Math.floor(Math.random() * 200), sampleIndex),
        text,
        finish: 'stop',
        logp: -1,
      })),
    );
    return { result: { samples: samples.length }, write: (tx) => tx.samples.insert(stage, samples) };
  };
}
