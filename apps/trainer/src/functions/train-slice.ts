import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { EventBus, type JobContext } from '@solopo/bus';
import { SolopoError, type StageSpecOf } from '@solopo/contracts';
import { Engine, type Progress, type TrainSliceInput } from '@solopo/engine';
import { CHAIN_START, Ledger } from '@solopo/ledger';
import {
  chainConfig,
  chainSteps,
  isAligned,
  referenceRowsOf,
  stepBatches,
  stepsOf,
  stepsPerEpoch,
} from '@solopo/pipeline';
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
  ) {}

  async execute({ spec, range, items }: Work<'train'>, context: JobContext): Promise<Effects> {
    const { run, training, seed, arm, objective, alignment, frozenWeights, precision } = spec;
    const by = { engine: spec.engine, signal: context.signal };
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
    const folder = await makeTemporaryFolder('slice');
    try {
      const batches = stepBatches(training, { seed, pairs: items, ...range });
      const ordinals = [...new Set(batches.flat())].sort((a, b) => a - b);
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
      const checkpoint = before && (await this.#checkpoint(run, range.from));
      const out = { weights: join(folder, randomUUID()), optimizerState: join(folder, randomUUID()) };
      const input: TrainSliceInput = {
        model: await this.#source(spec, checkpoint?.parametersDigest),
        ...(checkpoint ? { optimizerState: await this.models.artifact(checkpoint.digest) } : {}),
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
        batches: batches.map((batch) => batch.map((ordinal) => place.get(ordinal) as number)),
        out,
      };
      phases.lap('load');
      const { steps } = await this.engine.run('trainSlice', input, { ...by, onProgress });
      phases.lap('steps');

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
          pairDigests: (input.batches[i] ?? []).map((index) => pairs[index]?.record.digest as string),
          reference: (input.batches[i] ?? []).map((index) => pairs[index]?.reference ?? {}),
          metrics: counter.count(result),
          ...(i === steps.length - 1 ? { parameters: parameters.digest } : {}),
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
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
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
