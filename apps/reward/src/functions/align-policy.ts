import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import type { StageSpecOf } from '@solopo/contracts';
import { Engine, frozenWeightsOf, type MeasuredTree, type Progress, type Tasks } from '@solopo/engine';
import { FUNCTIONS } from '@solopo/functions';
import { Ledger, type PairRecord } from '@solopo/ledger';
import { promptRead, rowName, type ResponseStatistics, type Row, type RowLogps, type Rows } from '@solopo/objectives';
import { referenceSums } from '@solopo/pipeline';
import { CONFIG } from '@solopo/platform';
import { ModelFiles, tellJob, type Effects, type JobFunction, type Work, type WorkerConfig } from '@solopo/worker';
import { HeldOutContexts, type HeldOutContext } from '../held-out-contexts.ts';
import { heldOutMetrics } from '../held-out-metrics.ts';
import { heldOutPairMetrics, type HeldOutPair } from '../held-out-pair.ts';
import { detailOf, readSlices, type SlicedPair } from '../sliced-pair.ts';

/** How a policy version fares, and how far its short and long rewards agree, on pairs that it never trains on. */
@Injectable()
export class AlignPolicy implements JobFunction<'align'> {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(HeldOutContexts) private readonly contexts: HeldOutContexts,
    @Inject(CONFIG) private readonly config: WorkerConfig,
  ) {}

  async execute({ stage, spec, range, start }: Work<'align'>, context: JobContext): Promise<Effects> {
    // The chunk's pairs from its start, of which batches are made however the work is cut.
    const pairs = await this.ledger.pairs.list(spec.pair, 'held-out', { from: start, to: range.to });
    const from = range.from - start;
    const contexts = await this.contexts.read(spec.pair, pairs);
    const measured = await this.#measurePairs(spec, pairs, contexts, from, context);
    const isLast = from + measured.length === pairs.length;
    const earlier = isLast && from > 0 ? readSlices(await this.ledger.alignments.slicedPairs(stage)) : [];
    const all = [...earlier, ...measured];
    const { run, step, policy } = spec;
    return {
      ...(isLast ? {} : { itemsDone: measured.length }),
      result: { pairs: measured.length },
      write: (tx) =>
        isLast
          ? tx.alignments.insert(stage, { run, step, policy, metrics: heldOutMetrics(all), details: all.map(detailOf) })
          : tx.alignments.insertSlice(stage, range.from, measured),
    };
  }

  /** The pairs from `from` on, as many as the time suffices for. */
  async #measurePairs(
    spec: StageSpecOf<'align'>,
    pairs: readonly PairRecord[],
    contexts: readonly HeldOutContext[],
    from: number,
    context: JobContext,
  ): Promise<SlicedPair[]> {
    const hasRejected = spec.objective.kind !== 'distil';
    const responses = pairs.map(({ chosen, rejected }) => (hasRejected ? [chosen, rejected] : [chosen]));
    const [short, long, bare] = [
      trees(
        pairs.map((pair) => pair.short),
        responses,
      ),
      trees(
        pairs.map((pair) => pair.long),
        responses,
      ),
      trees(
        contexts.map((held) => held.bare),
        pairs.map(({ chosen }) => [chosen]),
      ),
    ];
    // Long contexts come first, with their part of the time by tokens, of which they take more than the others: so many pairs follow.
    const all = tokensIn([...short, ...long, ...bare]);
    let before = 0;
    let share = 0;
    const tell = tellJob(context, {
      kind: 'align',
      total: pairs.length - from,
      itemsAt: (count) => before + share * count,
    });
    const measure = async (kind: readonly Tree[], options: (share: number) => MeasureOptions) => {
      share = tokensIn(kind) / all;
      const measured = await this.#measure(spec, kind, options(share), tell, context);
      before += share * measured.length;
      return measured;
    };
    const { sliceMs } = FUNCTIONS.align;
    const longMeasured = await measure(long, (ofTime) => ({ from, sliceMs: ofTime * sliceMs }));
    const to = from + longMeasured.length;
    const scorePrompt = promptRead({ arm: 'short', objective: spec.objective }) !== null;
    const shortMeasured = await measure(short, () => ({ from, to, scorePrompt }));
    const probes = await measure(bare, () => ({ from, to }));
    const asked = pairs.slice(from, to);
    const references = await this.#references(spec, asked, context);
    return asked.map((record, i) => {
      const pair = heldOutPair(
        shortMeasured[i] as MeasuredTree,
        longMeasured[i] as MeasuredTree,
        probes[i] as MeasuredTree,
        {
          reference: references[i] ?? {},
          isReference: spec.policy === spec.model,
        },
      );
      return {
        pair: record.digest,
        shortTokens: record.short.length,
        longTokens: record.long.length,
        evidence: contexts[from + i]?.evidence ?? null,
        metrics: heldOutPairMetrics(spec, pair),
        statistics: { chosen: pair.statistics.shortChosen, rejected: pair.statistics.shortRejected ?? null },
      };
    });
  }

  async #measure(
    { model, policy, adapter, frozenWeights, precision, engine }: StageSpecOf<'align'>,
    all: readonly Tree[],
    options: MeasureOptions,
    onProgress: (progress: Progress) => void,
    { signal }: JobContext,
  ): Promise<MeasuredTree[]> {
    return this.engine.run(
      'measure',
      {
        model: await this.models.source(model, { policy, adapter, frozenWeights, precision }),
        trees: all,
        batchTokens: this.config.batchTokens,
        scorePrompt: false,
        ...options,
      },
      { engine, signal, onProgress },
    );
  }

  /**
   * Summed log-probabilities of the frozen model, from the ledger; none where the objective has no reference. Those of the
   * engine that measures are preferred. Where only another has scored a row, with the weights kept in the same format, its first
   * score is near enough: this is a measurement, and no gradient follows from it.
   */
  async #references(
    { pair, model, objective, frozenWeights, precision, engine: by }: StageSpecOf<'align'>,
    pairs: readonly PairRecord[],
    context: JobContext,
  ): Promise<Readonly<Record<string, number>>[]> {
    if (objective.kind !== 'dpo') return pairs.map(() => ({}));
    const positions = pairs.map(({ position }) => position);
    const engine = await this.engine.run(
      'fingerprint',
      { frozenWeights, precision },
      { engine: by, signal: context.signal },
    );
    const recorded = await this.ledger.scores.all(pair, model, positions);
    // Of what is said of a row last counts: the engine's own, before that the first one recorded.
    const near = recorded.filter((score) => frozenWeightsOf(score.engine) === (frozenWeights ?? 'float32')).reverse();
    const sums = referenceSums([...near, ...near.filter((score) => score.engine === engine)]);
    return positions.map((position) => sums.get(position) ?? {});
  }
}

type Tree = Tasks['measure']['input']['trees'][number];
type MeasureOptions = Pick<Tasks['measure']['input'], 'from' | 'to' | 'sliceMs'> & { readonly scorePrompt?: boolean };

function trees(prompts: readonly Int32Array[], branches: readonly (readonly Int32Array[])[]): Tree[] {
  return prompts.map((prompt, i) => ({ prompt, branches: branches[i] ?? [] }));
}

function tokensIn(all: readonly Tree[]): number {
  return all.reduce(
    (sum, { prompt, branches }) => sum + prompt.length + branches.reduce((more, { length }) => more + length, 0),
    0,
  );
}

function heldOutPair(
  short: MeasuredTree,
  long: MeasuredTree,
  probe: MeasuredTree,
  { reference, isReference }: { reference: Readonly<Record<string, number>>; isReference: boolean },
): HeldOutPair {
  const measured = (['short', 'long'] as const).flatMap((context) =>
    (context === 'short' ? short : long).branches.map(
      (statistics, branch) => [rowName(context, branch === 0 ? 'chosen' : 'rejected'), statistics] as const,
    ),
  );
  const statistics = Object.fromEntries(measured) as HeldOutPair['statistics'];
  const rows: Rows = Object.fromEntries(
    measured.map(([row, { logp, tokens }]): [Row, RowLogps] => {
      const scored = reference[row];
      if (scored === undefined) return [row, { policy: logp, tokens }];
      // The base is its own reference, to the last bit.
      return [row, { policy: isReference ? scored : logp, reference: scored, tokens }];
    }),
  );
  const { prompt } = short;
  return {
    statistics,
    rows: prompt ? { ...rows, shortPrompt: { policy: prompt.logp, tokens: prompt.tokens } } : rows,
    probe: probe.branches[0] as ResponseStatistics,
  };
}
