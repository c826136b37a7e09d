import { openArtifacts, type ArtifactStore } from '@solopo/artifacts';
import { ALL_LINEAR, LINEAR_LAYERS, type Job, type StageSpec, type StageSpecOf } from '@solopo/contracts';
import { composeContexts, retrievalTokenizer } from '@solopo/corpus';
import {
  CHAIN_START,
  type ContextAssignment,
  type LedgerTransaction,
  type NewPair,
  type PairRecord,
  type Score,
} from '@solopo/ledger';
import {
  chainConfig,
  chainSteps,
  contextDigest,
  pairDigest,
  referenceRowsOf,
  referenceSums,
  stepBatches,
  sumOf,
} from '@solopo/pipeline';
import { TextModel } from '@solopo/text';
import { beginChunk, completeChunk, type ChunkOutcome, type ChunkRange } from '@solopo/workflow';
import type { GatewayFixture } from './gateway.fixture.ts';
import { adapterFile } from './tiny-model.fixture.ts';

interface Work<S extends StageSpec = StageSpec> {
  readonly job: Job;
  readonly spec: S;
  readonly range: ChunkRange;
  readonly items: number;
}

/** Fingerprint of the engine that scores. */
export const SCORER = 'a fake engine';

export interface MadeUp {
  /** Fingerprint of the engine that trains; the scorer's by default. */
  readonly trainer?: string;
  /** Linear layers that the trained adapter has; those that were asked for by default. */
  readonly modules?: readonly string[];
  /** Metrics of a gradient step, and of a policy version on held-out pairs. */
  readonly step?: (step: number) => Readonly<Record<string, number>>;
  /** Where the time of a gradient step went. */
  readonly phases?: (step: number) => Readonly<Record<string, number>>;
  readonly version?: (step: number) => Readonly<Record<string, number>>;
  /** '1' or '0' for a question. */
  readonly answer?: (spec: StageSpecOf<'evaluate'>, question: number) => boolean;
  /** One more sample of each example, which no pair takes. */
  readonly spare?: boolean;
  /** As versions did that kept the optimiser's state out of the chain. */
  readonly withoutState?: boolean;
  /** Before a chunk is begun: a test may hold the work up here. */
  readonly before?: (stage: { readonly kind: string; readonly chunk: number }) => Promise<void> | void;
}

const EXECUTOR = { worker: 'a-host:1', version: '0.0.0', leaseMs: 60_000 };

/** Does the work of all stages of a run by the rules of the real workers, but with made-up answers, scores and weights. */
export async function finishRun(
  { ledger, config }: Pick<GatewayFixture, 'ledger' | 'config'>,
  run: string,
  madeUp: MadeUp = {},
): Promise<void> {
  const artifacts = await openArtifacts(config);
  const text = TextModel.fromFiles(retrievalTokenizer());
  const worker = new Worker(text, artifacts, madeUp);
  for (;;) {
    const open = (await ledger.runs.stages(run)).filter(({ state }) => state !== 'done');
    if (open.length === 0) return;
    for (const { digest, kind, chunksDone } of open) {
      await madeUp.before?.({ kind, chunk: chunksDone });
      const job = { id: `${digest}:${chunksDone}`, stage: digest, chunk: chunksDone };
      const begun = await ledger.transaction((tx) => beginChunk(tx, job, EXECUTOR));
      if (begun.status !== 'ready') throw new Error(`A chunk is ${begun.status}.`);
      await ledger.transaction(async (tx) =>
        completeChunk(tx, job, begun.execution, await worker.work(tx, { job, ...begun })),
      );
    }
  }
}

class Worker {
  constructor(
    private readonly text: TextModel,
    private readonly artifacts: ArtifactStore,
    private readonly madeUp: MadeUp,
  ) {}

  async work(tx: LedgerTransaction, work: Work): Promise<ChunkOutcome> {
    const { spec } = work;
    switch (spec.kind) {
      case 'compose':
        return this.#compose(tx, { ...work, spec });
      case 'sample':
        return this.#sample(tx, { ...work, spec });
      case 'pair':
        return this.#pair(tx, { ...work, spec });
      case 'score':
        return this.#score(tx, { ...work, spec });
      case 'train':
        return this.#train(tx, { ...work, spec });
      case 'align':
        await tx.alignments.insert(work.job.stage, {
          ...spec,
          metrics: this.madeUp.version?.(spec.step) ?? { gap: 1 / (1 + spec.step) },
          details: [],
        });
        return { seconds: 1 };
      case 'evaluate': {
        const n = work.range.to - work.range.from;
        const isRight = (question: number) => this.madeUp.answer?.(spec, question) ?? question === 0;
        const outcomes = Array.from({ length: n }, (_, index) => (isRight(work.range.from + index) ? '1' : '0')).join(
          '',
        );
        const correct = outcomes.replaceAll('0', '').length;
        const { policy, documents } = spec;
        const counts = { policy, documents, tokens: 10 * n * documents, n, correct, outcomes, refused: {} };
        await tx.evaluations.insert(work.job.stage, work.range.from, counts);
        return { seconds: 1, result: { asked: n, correct, refused: 0 } };
      }
      case 'replay':
        throw new Error('A run has no replays among its stages.');
    }
  }

  async #compose(tx: LedgerTransaction, { job, spec, range }: Work<StageSpecOf<'compose'>>): Promise<ChunkOutcome> {
    const assignments: ContextAssignment[] = [];
    for (const { position, content } of await tx.datasets.examples(spec.dataset, range)) {
      const made = composeContexts(content, { ...spec, text: this.text });
      if ('refused' in made) throw new Error(made.refused);
      const [short, long] = (['short', 'long'] as const).map((kind) => {
        const context = { kind, ...made[kind] };
        return { ...context, digest: contextDigest(context) };
      });
      if (short === undefined || long === undefined) continue;
      await tx.contexts.insert([short, long]);
      assignments.push({ position, short: short.digest, long: long.digest });
    }
    await tx.contexts.assign(job.stage, assignments);
    return { seconds: 1, result: { composed: assignments.length } };
  }

  /** The right answer and a wrong one. */
  async #sample(tx: LedgerTransaction, { job, spec, range }: Work<StageSpecOf<'sample'>>): Promise<ChunkOutcome> {
    const { dataset } = await specOf(tx, spec.compose, 'compose');
    const examples = await tx.datasets.examples(dataset, range);
    const samples = examples.flatMap(({ position, content }) => {
      const right = content.answers[0] ?? '';
      const wrong = content.question.split(' ')[1] ?? '';
      const spare = this.madeUp.spare === true ? (content.question.split(' ')[0] ?? '') : [];
      return [right, wrong, spare].flat().map((answer, sampleIndex) => ({
        position,
        sampleIndex,
        tokens: this.text.encode(answer),
        text: answer,
        finish: 'stop' as const,
        logp: -1,
      }));
    });
    await tx.samples.insert(job.stage, samples);
    return { seconds: 1, result: { samples: samples.length } };
  }

  async #pair(tx: LedgerTransaction, { job, spec, range }: Work<StageSpecOf<'pair'>>): Promise<ChunkOutcome> {
    const { compose } = await specOf(tx, spec.sample, 'sample');
    const samples = await tx.samples.list(spec.sample, range);
    const judgements = samples.map((sample) => ({ ...sample, correct: sample.sampleIndex === 0 }));
    const pairs = (await tx.contexts.assignments(compose)).map((assigned, index): NewPair => {
      if ('refused' in assigned) throw new Error(assigned.refused);
      const { position, short, long } = assigned;
      const [chosen, rejected] = [0, 1].map((wanted) => {
        const sample = samples.find((row) => row.position === position && row.sampleIndex === wanted);
        return { ids: Int32Array.of(...(sample?.tokens ?? []), ...this.text.responseTail), text: sample?.text ?? '' };
      });
      const heldOut = index < spec.pairing.heldOutPairs;
      const responses = { chosen: chosen?.ids ?? new Int32Array(), rejected: rejected?.ids ?? new Int32Array() };
      return {
        position,
        digest: pairDigest({ short, long, ...responses }),
        shortContext: short,
        longContext: long,
        ...responses,
        chosenText: chosen?.text ?? '',
        rejectedText: rejected?.text ?? '',
        chosenSample: 0,
        rejectedSample: 1,
        heldOut,
        ordinal: heldOut ? index : index - spec.pairing.heldOutPairs,
      };
    });
    await tx.judgements.insert(job.stage, spec.pairing.judge, judgements);
    await tx.pairs.insert(job.stage, pairs);
    const heldOut = pairs.filter((pair) => pair.heldOut).length;
    return { seconds: 1, result: { pairs: pairs.length - heldOut, heldOut, judged: judgements.length } };
  }

  async #score(tx: LedgerTransaction, { spec, range }: Work<StageSpecOf<'score'>>): Promise<ChunkOutcome> {
    const pairs = await tx.pairs.list(spec.pair, spec.split, range);
    const scores = pairs.flatMap((pair) => scoresOf(pair, spec.context, SCORER));
    await tx.scores.insert(spec.pair, spec.model, scores);
    return { seconds: 1, result: { tokens: scores.length } };
  }

  async #train(tx: LedgerTransaction, { spec, range, items }: Work<StageSpecOf<'train'>>): Promise<ChunkOutcome> {
    const { run, training, seed, pair, model } = spec;
    const { trainer = SCORER } = this.madeUp;
    const pairs = await tx.pairs.list(pair, 'training', { from: 0, to: items });
    const positions = pairs.map(({ position }) => position);
    const batches = stepBatches(training, { seed, pairs: items, ...range });
    const own = await tx.scores.list(pair, model, positions, trainer);
    const known = referenceSums(own);
    const rescored = [...new Set(batches.flat())].flatMap((ordinal) => {
      const record = pairs[ordinal];
      if (record === undefined) return [];
      const wanted: readonly string[] = referenceRowsOf(spec, record.digest);
      return (['short', 'long'] as const)
        .flatMap((context) => scoresOf(record, context, trainer))
        .filter((score) => wanted.includes(rowOf(score)) && known.get(record.position)?.[rowOf(score)] === undefined);
    });
    await tx.scores.insert(pair, model, rescored);
    const sums = referenceSums([...own, ...rescored]);
    const told = `weights of ${run} after step ${range.to}`;
    const { targets } = spec.adapter ?? { targets: [] };
    const { modules = targets === ALL_LINEAR ? LINEAR_LAYERS : targets } = this.madeUp;
    const weights = await this.artifacts.put(spec.adapter ? adapterFile(modules, told) : Buffer.from(told));
    const state = await this.artifacts.put(Buffer.from(`state of the optimiser of ${run} after step ${range.to}`));
    const head = range.from === 0 ? CHAIN_START : (await tx.steps.head(run)).digest;
    const links = batches.map((batch, index) => {
      const own = batch.flatMap((ordinal) => pairs[ordinal] ?? []);
      const step = range.from + index + 1;
      return {
        step,
        pairDigests: own.map(({ digest }) => digest),
        reference: own.map(({ position, digest }) =>
          Object.fromEntries(referenceRowsOf(spec, digest).map((row) => [row, sums.get(position)?.[row] ?? NaN])),
        ),
        metrics: this.madeUp.step?.(step) ?? { loss: 1 / step },
        ...(step === range.to ? { parameters: weights.digest } : {}),
        ...(step === range.to && this.madeUp.withoutState !== true ? { optimizer: state.digest } : {}),
      };
    });
    const chain = chainSteps(head, { config: chainConfig(spec), engine: trainer }, links);
    const chainHead = chain.at(-1)?.digest ?? head;
    const { phases } = this.madeUp;
    await tx.steps.append(run, phases ? chain.map((link) => ({ ...link, phaseSeconds: phases(link.step) })) : chain);
    await tx.checkpoints.insert(run, { step: range.to, digest: state.digest, parametersDigest: weights.digest });
    await tx.versions.insert(run, { step: range.to, digest: weights.digest, chainHead });
    const progress = { step: range.to, chainHead, policyDigest: weights.digest, policyTokens: 1, seconds: 1 };
    await tx.runs.recordTraining(run, progress);
    return { seconds: 1, result: { steps: range.to - range.from, rescored: rescored.length } };
  }
}

/** Each engine has numbers of its own. */
function scoresOf(pair: PairRecord, context: Score['context'], engine: string): Score[] {
  const factor = engine === SCORER ? -0.01 : -0.010001;
  return (['chosen', 'rejected'] as const).map((response) => {
    const logps = Float32Array.from(pair[response], (token, index) => factor * (token + index + pair.position));
    return { position: pair.position, context, response, engine, logps, sum: sumOf(logps) };
  });
}

function rowOf({ context, response }: Score): string {
  return `${context}${response === 'chosen' ? 'Chosen' : 'Rejected'}`;
}

async function specOf<K extends StageSpec['kind']>(
  tx: LedgerTransaction,
  digest: string,
  kind: K,
): Promise<StageSpecOf<K>> {
  const { spec } = await tx.stages.require(digest);
  if (spec.kind !== kind) throw new Error(`${digest} is a ${spec.kind} stage`);
  return spec as StageSpecOf<K>;
}
