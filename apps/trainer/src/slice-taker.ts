import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type StageSpecOf } from '@solopo/contracts';
import { Engine, type Progress, type TakenStep, type TrainSliceInput } from '@solopo/engine';
import { Ledger, type Checkpoint, type Score } from '@solopo/ledger';
import { isAligned, referenceRowsOf, stepBatches, stepsOf, type ChainedStep } from '@solopo/pipeline';
import { makeTemporaryFolder, ModelFiles, type Work } from '@solopo/worker';
import { ReferenceScores } from './reference-scores.ts';
import type { SlicePhases } from './slice-phases.ts';

export type Slice = Pick<Work<'train'>, 'spec' | 'range' | 'items'>;

export interface SliceWork {
  readonly folder: string;
  readonly phases: SlicePhases;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Where it goes on from. */
  readonly start: SliceStart;
  /** Whose scores of the reference are read, by its fingerprint; the own ones by default. */
  readonly scorer?: string;
}

export type SliceStart = Pick<TrainSliceInput, 'model' | 'optimizerState'>;

export interface TakenSlice {
  /** Paths of the policy's weights and of the optimiser's state. */
  readonly out: TrainSliceInput['out'];
  readonly steps: readonly TakenStep[];
  /** Of each step, what it read. */
  readonly read: readonly Pick<ChainedStep, 'pairDigests' | 'reference'>[];
  /** Its fingerprint. */
  readonly engine: string;
  readonly rescored: readonly Score[];
}

/** Takes the steps of a slice, and writes nothing but files in a folder. */
@Injectable()
export class SliceTaker {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(ReferenceScores) private readonly references: ReferenceScores,
  ) {}

  /** The steps, from where the work starts; what they come to lies in the folder. */
  async take({ spec, range, items }: Slice, work: SliceWork): Promise<TakenSlice> {
    const { folder, phases, signal, onProgress, start, scorer } = work;
    const { training, seed, arm, objective, alignment, frozenWeights, precision } = spec;
    const by = { engine: spec.engine, signal };
    const planned = stepBatches(training, { seed, pairs: items, ...range });
    const ordinals = [...new Set(planned.flat())].sort((a, b) => a - b);
    const records = await this.ledger.pairs.training(spec.pair, ordinals);
    phases.lap('data');
    const engine = await this.engine.run('fingerprint', { frozenWeights, precision }, by);
    phases.lap('load');
    const { sums, rescored } = await this.references.read(spec, records, scorer ?? engine, { ...by, onProgress });
    phases.lap('reference');
    const pairs = records.map((record) => ({
      record,
      reference: Object.fromEntries(
        referenceRowsOf(spec, record.digest).map((row) => [row, sums.get(record.position)?.[row] as number]),
      ),
    }));
    const place = new Map(ordinals.map((ordinal, index) => [ordinal, index]));
    const batches = planned.map((batch) => batch.map((ordinal) => place.get(ordinal) as number));
    const out = { weights: join(folder, randomUUID()), optimizerState: join(folder, randomUUID()) };
    const input: TrainSliceInput = {
      ...start,
      fromStep: range.from,
      options: {
        arm,
        objective,
        alignment,
        optimizer: { betas: training.betas, epsilon: training.epsilon, weightDecay: training.weightDecay },
        schedule: training,
        clipNorm: training.clipNorm,
        microBatchTokens: training.microBatchTokens,
        steps: stepsOf(training, items),
      },
      pairs: pairs.map(({ record, reference }) => ({
        ...record,
        reference,
        aligned: isAligned(spec, record.digest),
      })),
      batches,
      out,
    };
    phases.lap('load');
    const { steps } = await this.engine.run('trainSlice', input, { ...by, onProgress });
    phases.lap('steps');
    const read = batches.map((batch) => {
      const own = batch.map((index) => pairs[index] as (typeof pairs)[number]);
      return { pairDigests: own.map(({ record }) => record.digest), reference: own.map(({ reference }) => reference) };
    });
    return { out, steps, read, engine, rescored };
  }

  /**
   * What the first slice goes on from, or what the checkpoint before a later one holds.
   *
   * @throws SolopoError `artifact-damaged` or `not-found` where that is no longer what was recorded
   */
  async start({ spec, range }: Pick<Slice, 'spec' | 'range'>): Promise<SliceStart> {
    if (range.from === 0) return { model: await this.#source(spec, undefined) };
    const checkpoint = await this.checkpoint(spec.run, range.from);
    const place = `after step ${range.from} of run ${spec.run}`;
    await this.models.artifact(checkpoint.parametersDigest, `The policy ${place}`);
    const optimizerState = await this.models.artifact(checkpoint.digest, `The optimiser's state ${place}`);
    return { model: await this.#source(spec, checkpoint.parametersDigest), optimizerState };
  }

  async checkpoint(run: string, step: number): Promise<Checkpoint> {
    const checkpoint = (await this.ledger.checkpoints.list(run)).find((candidate) => candidate.step === step);
    if (!checkpoint)
      throw new SolopoError(
        'internal',
        `Run ${run} has no checkpoint at step ${step}, from which its next slice starts; report this as a defect.`,
      );
    return checkpoint;
  }

  async #source(
    { model, adapter, frozenWeights, precision, seed }: StageSpecOf<'train'>,
    parameters: string | undefined,
  ): Promise<TrainSliceInput['model']> {
    const source = await this.models.source(model, { policy: parameters, adapter, frozenWeights, precision });
    return adapter && parameters === undefined ? { ...source, adapter: { options: adapter, seed } } : source;
  }
}

/** A folder for the time of the work. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeTemporaryFolder('slice');
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
