import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import type { StageSpecOf } from '@solopo/contracts';
import { Engine, frozenWeightsOf, type MeasuredTree } from '@solopo/engine';
import { Ledger, type PairRecord } from '@solopo/ledger';
import { promptRead, rowName, ROWS, type ResponseStatistics, type Row, type RowLogps } from '@solopo/objectives';
import { referenceSums } from '@solopo/pipeline';
import { CONFIG } from '@solopo/platform';
import { ModelFiles, tellJob, type Effects, type JobFunction, type Work, type WorkerConfig } from '@solopo/worker';
import { HeldOutContexts } from '../held-out-contexts.ts';
import { heldOutMetrics } from '../held-out-metrics.ts';
import { heldOutPairMetrics, type HeldOutPair } from '../held-out-pair.ts';

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

  async execute({ stage, spec, range }: Work<'align'>, context: JobContext): Promise<Effects> {
    const pairs = await this.ledger.pairs.list(spec.pair, 'held-out', range);
    const contexts = await this.contexts.read(spec.pair, pairs);
    const bare = contexts.map((held) => held.bare);
    const scorePrompt = promptRead({ arm: 'short', objective: spec.objective }) !== null;
    const responses = pairs.map(({ chosen, rejected }) => [chosen, rejected]);
    const measure = (prompts: readonly Int32Array[], branches: readonly Int32Array[][], prompt = false) =>
      this.#measure(spec, prompts, branches, prompt, context);
    const short = await measure(
      pairs.map((pair) => pair.short),
      responses,
      scorePrompt,
    );
    const long = await measure(
      pairs.map((pair) => pair.long),
      responses,
    );
    const probes = await measure(
      bare,
      pairs.map(({ chosen }) => [chosen]),
    );
    const references = await this.#references(spec, pairs, context);
    const measured = pairs.map((record, i) => {
      const pair = heldOutPair(short[i] as MeasuredTree, long[i] as MeasuredTree, probes[i] as MeasuredTree, {
        reference: references[i] ?? {},
        isReference: spec.policy === spec.model,
      });
      return {
        record,
        pair,
        metrics: heldOutPairMetrics(spec, pair),
        longTokens: record.long.length,
        evidence: contexts[i]?.evidence ?? null,
      };
    });
    const { run, step, policy } = spec;
    return {
      result: { pairs: pairs.length },
      write: (tx) =>
        tx.alignments.insert(stage, {
          run,
          step,
          policy,
          metrics: heldOutMetrics(measured),
          details: measured.map(({ record, metrics, longTokens, evidence }) => ({
            pair: record.digest,
            shortTokens: record.short.length,
            longTokens,
            evidence,
            metrics,
          })),
        }),
    };
  }

  async #measure(
    { model, policy, adapter, frozenWeights }: StageSpecOf<'align'>,
    prompts: readonly Int32Array[],
    branches: readonly Int32Array[][],
    scorePrompt: boolean,
    context: JobContext,
  ): Promise<MeasuredTree[]> {
    return this.engine.run(
      'measure',
      {
        model: await this.models.source(model, { policy, adapter, frozenWeights }),
        trees: prompts.map((prompt, i) => ({ prompt, branches: branches[i] ?? [] })),
        batchTokens: this.config.batchTokens,
        scorePrompt,
      },
      { signal: context.signal, onProgress: tellJob(context, 'pairs', prompts.length) },
    );
  }

  /**
   * Summed log-probabilities of the frozen model, from the ledger; none where the objective has no reference. Those of the
   * engine that measures are preferred. Where only another has scored a row, with the weights kept in the same format, its first
   * score is near enough: this is a measurement, and no gradient follows from it.
   */
  async #references(
    { pair, model, objective, frozenWeights }: StageSpecOf<'align'>,
    pairs: readonly PairRecord[],
    context: JobContext,
  ): Promise<Readonly<Record<string, number>>[]> {
    if (objective.kind !== 'dpo') return pairs.map(() => ({}));
    const positions = pairs.map(({ position }) => position);
    const engine = await this.engine.run('fingerprint', { frozenWeights }, { signal: context.signal });
    const recorded = await this.ledger.scores.all(pair, model, positions);
    // Of what is said of a row last counts: the engine's own, before that the first one recorded.
    const near = recorded.filter((score) => frozenWeightsOf(score.engine) === (frozenWeights ?? 'float32')).reverse();
    const sums = referenceSums([...near, ...near.filter((score) => score.engine === engine)]);
    return positions.map((position) => sums.get(position) ?? {});
  }
}

function heldOutPair(
  short: MeasuredTree,
  long: MeasuredTree,
  probe: MeasuredTree,
  { reference, isReference }: { reference: Readonly<Record<string, number>>; isReference: boolean },
): HeldOutPair {
  const statistics = Object.fromEntries(
    (['short', 'long'] as const).flatMap((context) =>
      (['chosen', 'rejected'] as const).map((response, branch) => [
        rowName(context, response),
        (context === 'short' ? short : long).branches[branch],
      ]),
    ),
  ) as Record<Row, ResponseStatistics>;
  const rows = Object.fromEntries(
    ROWS.map((row): [Row, RowLogps] => {
      const { logp, tokens } = statistics[row];
      const scored = reference[row];
      if (scored === undefined) return [row, { policy: logp, tokens }];
      // The base is its own reference, to the last bit.
      return [row, { policy: isReference ? scored : logp, reference: scored, tokens }];
    }),
  ) as Record<Row, RowLogps>;
  const { prompt } = short;
  return {
    statistics,
    rows: prompt ? { ...rows, shortPrompt: { policy: prompt.logp, tokens: prompt.tokens } } : rows,
    probe: probe.branches[0] as ResponseStatistics,
  };
}
