import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore, isLostArtifact } from '@solopo/artifacts';
import { EventBus, type JobContext } from '@solopo/bus';
import { SolopoError, type StageSpecOf } from '@solopo/contracts';
import { Engine, type Progress, type TakenStep, type TrainSliceInput } from '@solopo/engine';
import { CHAIN_START, Ledger, type Checkpoint, type PairRecord, type Score } from '@solopo/ledger';
import {
  chainConfig,
  chainSteps,
  isAligned,
  referenceRowsOf,
  sliceRange,
  stepBatches,
  stepsOf,
  stepsPerEpoch,
} from '@solopo/pipeline';
import { LOGGER, type Logger } from '@solopo/platform';
import { makeTemporaryFolder, ModelFiles, tellJob, type Effects, type JobFunction, type Work } from '@solopo/worker';
import { ReferenceScores } from '../reference-scores.ts';
import { SlicePhases } from '../slice-phases.ts';
import { StepCounter } from '../step-counter.ts';
import { TrainingMetrics } from '../training.metrics.ts';

/** Some gradient steps from one checkpoint to the next. A slice done twice gives the same bits; only one of them is kept. */
@Injectable()
export class TrainSlice implements JobFunction<'train'> {
  readonly storesArtifacts = true;

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(TrainingMetrics) private readonly metrics: TrainingMetrics,
    @Inject(ReferenceScores) private readonly references: ReferenceScores,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async execute({ spec, range, items }: Work<'train'>, context: JobContext): Promise<Effects> {
    const { run, training } = spec;
    const before = range.from === 0 ? null : await this.#stepBefore(run, range.from);
    const counted = {
      tokens: before?.metrics['num_tokens'] ?? 0,
      stepsPerEpoch: stepsPerEpoch(training, items),
    };
    const phases = new SlicePhases(range);
    const onProgress = this.#tell({ run, steps: range.to - range.from }, context, {
      counter: new StepCounter(counted),
      phases,
    });
    return inFolder(async (folder) => {
      const taken = await this.#take({ spec, range, items }, { folder, phases, context, onProgress });
      const { out, steps, batches, pairs, engine, rescored } = taken;

      const parameters = await this.artifacts.put(createReadStream(out.weights));
      const optimizerState = await this.artifacts.put(createReadStream(out.optimizerState));
      phases.lap('checkpoint');
      const phaseSeconds = steps.map((step) => phases.of(step));
      this.metrics.observePhases({ checkpoint: phaseSeconds.at(-1)?.['checkpoint'] ?? 0 });
      const counter = new StepCounter(counted);
      const policyTokens = steps.reduce((sum, step) => sum + step.policyTokens, 0);
      const chain = chainSteps(
        before?.digest ?? CHAIN_START,
        { config: chainConfig(spec), engine },
        steps.map((result, i) => ({
          step: result.step,
          pairDigests: (batches[i] ?? []).map((index) => pairs[index]?.record.digest as string),
          reference: (batches[i] ?? []).map((index) => pairs[index]?.reference ?? {}),
          metrics: counter.count(result),
          ...(i === steps.length - 1 ? { parameters: parameters.digest, optimizer: optimizerState.digest } : {}),
        })),
      );
      const chainHead = chain.at(-1)?.digest as string;
      const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
      return {
        result: { steps: steps.length, tokens: policyTokens, rescored: rescored.length },
        write: async (tx) => {
          await tx.scores.insert(spec.pair, spec.model, rescored);
          await tx.steps.append(
            run,
            chain.map((link, i) => ({ ...link, phaseSeconds: phaseSeconds[i] ?? {} })),
          );
          await tx.checkpoints.insert(run, {
            step: range.to,
            digest: optimizerState.digest,
            parametersDigest: parameters.digest,
          });
          await tx.versions.insert(run, { step: range.to, digest: parameters.digest, chainHead });
          await tx.runs.recordTraining(run, {
            step: range.to,
            chainHead,
            policyDigest: parameters.digest,
            policyTokens,
            seconds,
          });
        },
      };
    });
  }

  /** The steps, from the checkpoint before them; what they come to lies in the folder. */
  async #take({ spec, range, items }: Slice, { folder, phases, context, onProgress }: SliceWork): Promise<TakenSlice> {
    const { training, seed, arm, objective, alignment, frozenWeights, precision } = spec;
    const by = { engine: spec.engine, signal: context.signal };
    const planned = stepBatches(training, { seed, pairs: items, ...range });
    const ordinals = [...new Set(planned.flat())].sort((a, b) => a - b);
    const records = await this.ledger.pairs.training(spec.pair, ordinals);
    phases.lap('data');
    const engine = await this.engine.run('fingerprint', { frozenWeights, precision }, by);
    phases.lap('load');
    const { sums, rescored } = await this.references.read(spec, records, engine, { ...by, onProgress });
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
      ...(await this.#start({ spec, range, items }, context)),
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
    return { out, steps, batches, pairs, engine, rescored };
  }

  /** What the slice goes on from. A checkpoint that is damaged or lost is made again from the one before it. */
  async #start(slice: Slice, context: JobContext): Promise<Pick<TrainSliceInput, 'model' | 'optimizerState'>> {
    const { spec, range } = slice;
    if (range.from === 0) return { model: await this.#source(spec, undefined) };
    const checkpoint = await this.#checkpoint(spec.run, range.from);
    const place = `after step ${range.from} of run ${spec.run}`;
    const readState = async (): Promise<string> => {
      await this.models.artifact(checkpoint.parametersDigest, `The policy ${place}`);
      return this.models.artifact(checkpoint.digest, `The optimiser's state ${place}`);
    };
    const optimizerState = await readState().catch(async (error: unknown) => {
      if (!isLostArtifact(error)) throw error;
      await this.#makeAgain(slice, checkpoint, error, context);
      return readState();
    });
    return { model: await this.#source(spec, checkpoint.parametersDigest), optimizerState };
  }

  /**
   * A slice done twice gives the same bits: the slice before this one is taken again, and its artifacts are put in their places.
   *
   * @throws SolopoError `artifact-damaged` where they come out differently, since another engine made them
   */
  async #makeAgain(
    { spec, range: { from }, items }: Slice,
    checkpoint: Checkpoint,
    cause: SolopoError,
    context: JobContext,
  ): Promise<void> {
    const range = sliceRange(spec.training, from / spec.training.stepsPerSlice - 1, items);
    this.logger.warn(
      { run: spec.run, step: from, error: cause.message },
      'a checkpoint is damaged or lost; it is made again from the one before it',
    );
    await inFolder(async (folder) => {
      const onProgress = () => void context.advanced({ phase: 'loading' });
      const phases = new SlicePhases(range);
      const { out, engine } = await this.#take({ spec, range, items }, { folder, phases, context, onProgress });
      try {
        await this.artifacts.put(createReadStream(out.weights), checkpoint.parametersDigest);
        await this.artifacts.put(createReadStream(out.optimizerState), checkpoint.digest);
      } catch (error) {
        if (SolopoError.from(error).code !== 'input-invalid') throw error;
        throw new SolopoError(
          'artifact-damaged',
          `${cause.message} Taking the steps from ${range.from} to ${from} again did not make it: they came out differently, on the engine ${engine}. Restore the artifacts ${checkpoint.parametersDigest} and ${checkpoint.digest} from a backup, then retry the dead letter.`,
          { cause },
        );
      }
    });
  }

  /** Tells how far the slice is, and whoever watches of each step. */
  #tell(
    { run, steps }: { readonly run: string; readonly steps: number },
    context: JobContext,
    { counter, phases }: { readonly counter: StepCounter; readonly phases: SlicePhases },
  ): (progress: Progress) => void {
    const tell = tellJob(context, { kind: 'train', total: steps });
    return (progress) => {
      tell(progress);
      if (progress.kind === 'step') {
        const { step, seconds } = progress.step;
        const metrics = counter.count(progress.step);
        const phaseSeconds = phases.of(progress.step);
        this.metrics.observe(run, { metrics, seconds, phaseSeconds });
        const data = { step, metrics, phaseSeconds };
        this.events.publish({ type: 'run.step', run, at: new Date().toISOString(), data });
      }
    };
  }

  async #source(
    { model, adapter, frozenWeights, precision, seed }: StageSpecOf<'train'>,
    parameters: string | undefined,
  ): Promise<TrainSliceInput['model']> {
    const source = await this.models.source(model, { policy: parameters, adapter, frozenWeights, precision });
    return adapter && parameters === undefined ? { ...source, adapter: { options: adapter, seed } } : source;
  }

  async #stepBefore(run: string, step: number) {
    const [before] = await this.ledger.steps.after(run, step - 1, 1);
    if (!before)
      throw new SolopoError(
        'internal',
        `Run ${run} has no step ${step}, which its next slice builds on; report this as a defect.`,
      );
    return before;
  }

  async #checkpoint(run: string, step: number) {
    const checkpoint = (await this.ledger.checkpoints.list(run)).find((candidate) => candidate.step === step);
    if (!checkpoint)
      throw new SolopoError(
        'internal',
        `Run ${run} has no checkpoint at step ${step}, from which its next slice starts; report this as a defect.`,
      );
    return checkpoint;
  }
}

type Slice = Pick<Work<'train'>, 'spec' | 'range' | 'items'>;

interface SliceWork {
  readonly folder: string;
  readonly phases: SlicePhases;
  readonly context: JobContext;
  readonly onProgress: (progress: Progress) => void;
}

interface TakenSlice {
  /** Paths of the policy's weights and of the optimiser's state. */
  readonly out: TrainSliceInput['out'];
  readonly steps: readonly TakenStep[];
  /** Of each step, by index into `pairs`. */
  readonly batches: readonly (readonly number[])[];
  readonly pairs: readonly {
    readonly record: PairRecord;
    readonly reference: Readonly<Record<string, number>>;
  }[];
  /** Its fingerprint. */
  readonly engine: string;
  readonly rescored: readonly Score[];
}

/** A folder for the time of the work. */
async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeTemporaryFolder('slice');
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
