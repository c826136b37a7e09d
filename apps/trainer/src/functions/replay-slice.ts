import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import { isLostArtifact } from '@solopo/artifacts';
import type { JobContext } from '@solopo/bus';
import { SolopoError, type ReplayedSlice, type StageSpecOf } from '@solopo/contracts';
import { CHAIN_START, Ledger, type StepRecord } from '@solopo/ledger';
import { chainConfig, chainSteps, pairCountsOf, sliceRange, stepsPerEpoch, type ChainLink } from '@solopo/pipeline';
import { tellJob, type Effects, type JobFunction, type Work } from '@solopo/worker';
import { SlicePhases } from '../slice-phases.ts';
import { inFolder, SliceTaker, type Slice, type SliceStart } from '../slice-taker.ts';
import { StepCounter } from '../step-counter.ts';

/**
 * Takes a slice of a run once more, from its recorded checkpoint, and says whether it comes to what was recorded. It writes no evidence
 * and no artifact, and mends none.
 */
@Injectable()
export class ReplaySlice implements JobFunction<'replay'> {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(SliceTaker) private readonly slices: SliceTaker,
  ) {}

  async execute({ spec, range }: Work<'replay'>, context: JobContext): Promise<Effects> {
    const slice = spec.slices[range.from] as number;
    const replayed = await this.#replay(spec, slice, context);
    return { result: { slices: { [slice]: replayed } }, write: () => Promise.resolve() };
  }

  async #replay(replay: StageSpecOf<'replay'>, number: number, context: JobContext): Promise<ReplayedSlice> {
    const { spec } = await this.ledger.stages.require(replay.train);
    if (spec.kind !== 'train')
      throw new SolopoError(
        'conflict',
        `Stage ${replay.train} trains nothing; read what solopo verify says of its run.`,
      );
    const items = pairCountsOf((await this.ledger.stages.require(spec.pair)).result).pairs;
    const range = sliceRange(spec.training, number, items);
    const slice = { spec, range, items };
    const chain = await this.ledger.steps.chain(spec.run);
    const recorded = chain.slice(range.from, range.to);
    const place = { slice: number, from: range.from + 1, to: range.to, recordedBy: recorded.at(-1)?.engine ?? null };
    const checkpoint = (await this.ledger.checkpoints.list(spec.run)).find(({ step }) => step === range.to);
    if (checkpoint === undefined || recorded.length < range.to - range.from)
      return { ...place, outcome: 'unreadable', replayedBy: null, detail: 'its steps or its checkpoint are lost' };
    const start = await this.#start(slice);
    if (typeof start === 'string') return { ...place, outcome: 'unreadable', replayedBy: null, detail: start };

    const taken = await this.#take(slice, { start, recorded, before: chain[range.from - 1], context });
    const replayedBy = taken.engine;
    const faults = [
      ...differencesOf(recorded, taken),
      ...(taken.parameters === checkpoint.parametersDigest ? [] : [`after step ${range.to} other parameters`]),
      ...(taken.optimizer === checkpoint.digest ? [] : [`after step ${range.to} another state of the optimiser`]),
    ];
    if (faults.length === 0)
      return {
        ...place,
        outcome: 'equal',
        replayedBy,
        detail: 'the same parameters, state of the optimiser and chain',
      };
    const outcome = place.recordedBy === replayedBy ? 'differs' : 'other-engine';
    return { ...place, outcome, replayedBy, detail: faults.join('; ') };
  }

  /** Why not, where what was recorded is no longer there. */
  async #start(slice: Slice): Promise<SliceStart | string> {
    return this.slices.start(slice).catch((error: unknown) => {
      if (isLostArtifact(error)) return error.message;
      throw error;
    });
  }

  async #take(slice: Slice, { start, recorded, before, context }: Replay): Promise<Replayed> {
    const { spec, range, items } = slice;
    const steps = range.to - range.from;
    const onProgress = tellJob(context, { kind: 'replay', total: steps });
    const scorer = recorded[0]?.engine ?? undefined;
    return inFolder(async (folder) => {
      const taken = await this.slices.take(slice, {
        folder,
        phases: new SlicePhases(range),
        signal: context.signal,
        onProgress,
        start,
        ...(scorer === undefined ? {} : { scorer }),
      });
      const parameters = await digestOfFile(taken.out.weights);
      const optimizer = await digestOfFile(taken.out.optimizerState);
      const counter = new StepCounter({
        tokens: before?.metrics['num_tokens'] ?? 0,
        stepsPerEpoch: stepsPerEpoch(spec.training, items),
      });
      const metrics = taken.steps.map((step) => counter.count(step));
      // As the engine that is recorded would have called itself, so that numbers alone make a difference.
      const setting = { config: chainConfig(spec), engine: scorer ?? taken.engine };
      const chainOf = (ends: object): ChainLink[] =>
        chainSteps(
          before?.digest ?? CHAIN_START,
          setting,
          taken.steps.map(({ step }, i) => ({
            step,
            pairDigests: taken.read[i]?.pairDigests ?? [],
            reference: taken.read[i]?.reference ?? [],
            metrics: metrics[i] ?? {},
            ...(i === taken.steps.length - 1 ? ends : {}),
          })),
        );
      // Chains of earlier versions leave the optimiser's state out.
      const chains = [chainOf({ parameters, optimizer }), chainOf({ parameters })];
      return { engine: taken.engine, parameters, optimizer, chains };
    });
  }
}

interface Replay {
  readonly start: SliceStart;
  readonly recorded: readonly StepRecord[];
  readonly before: StepRecord | undefined;
  readonly context: JobContext;
}

interface Replayed {
  /** Its fingerprint. */
  readonly engine: string;
  /** Digests. */
  readonly parameters: string;
  readonly optimizer: string;
  readonly chains: readonly (readonly ChainLink[])[];
}

/** Where the chain first leaves the recorded one, and by how much the losses differ. */
function differencesOf(recorded: readonly StepRecord[], { chains }: Pick<Replayed, 'chains'>): string[] {
  const [chain = []] = chains;
  const at = recorded.findIndex(({ digest }, i) => chains.every((links) => links[i]?.digest !== digest));
  if (at < 0) return [];
  const [was, is] = [recorded[at]?.metrics['loss'], chain[at]?.metrics['loss']];
  const losses =
    was === undefined || is === undefined || was === is ? '' : `: its loss is ${is}, and ${was} was recorded`;
  return [`step ${recorded[at]?.step} comes out differently${losses}`];
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
