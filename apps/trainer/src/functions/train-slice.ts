import { createReadStream } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore, isLostArtifact } from '@solopo/artifacts';
import { EventBus, type JobContext } from '@solopo/bus';
import { SolopoError } from '@solopo/contracts';
import type { Progress } from '@solopo/engine';
import { CHAIN_START, Ledger, type Checkpoint } from '@solopo/ledger';
import { chainConfig, chainSteps, sliceRange, stepsPerEpoch } from '@solopo/pipeline';
import { LOGGER, type Logger } from '@solopo/platform';
import { tellJob, type Effects, type JobFunction, type Work } from '@solopo/worker';
import { SlicePhases } from '../slice-phases.ts';
import { inFolder, SliceTaker, type Slice, type SliceStart } from '../slice-taker.ts';
import { StepCounter } from '../step-counter.ts';
import { TrainingMetrics } from '../training.metrics.ts';

/** Some gradient steps from one checkpoint to the next. A slice done twice gives the same bits; only one of them is kept. */
@Injectable()
export class TrainSlice implements JobFunction<'train'> {
  readonly storesArtifacts = true;

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
    @Inject(SliceTaker) private readonly slices: SliceTaker,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(TrainingMetrics) private readonly metrics: TrainingMetrics,
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
      const slice = { spec, range, items };
      const start = await this.#start(slice, context);
      phases.lap('load');
      const { signal } = context;
      const taken = await this.slices.take(slice, { folder, phases, signal, onProgress, start });
      const { out, steps, read, engine, rescored } = taken;

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
          pairDigests: read[i]?.pairDigests ?? [],
          reference: read[i]?.reference ?? [],
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

  /** What the slice goes on from. A checkpoint that is damaged or lost is made again from the one before it. */
  async #start(slice: Slice, context: JobContext): Promise<SliceStart> {
    try {
      return await this.slices.start(slice);
    } catch (error) {
      const { spec, range } = slice;
      if (range.from === 0 || !isLostArtifact(error)) throw error;
      await this.#makeAgain(slice, await this.slices.checkpoint(spec.run, range.from), error, context);
      return this.slices.start(slice);
    }
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
      const slice = { spec, range, items };
      const start = await this.#start(slice, context);
      phases.lap('load');
      const { signal } = context;
      const { out, engine } = await this.slices.take(slice, { folder, phases, signal, onProgress, start });
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

  async #stepBefore(run: string, step: number) {
    const [before] = await this.ledger.steps.after(run, step - 1, 1);
    if (!before)
      throw new SolopoError(
        'internal',
        `Run ${run} has no step ${step}, which its next slice builds on; report this as a defect.`,
      );
    return before;
  }
}
