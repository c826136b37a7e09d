import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import type { StageSpecOf } from '@solopo/contracts';
import { Engine } from '@solopo/engine';
import { Ledger, type PairRecord } from '@solopo/ledger';
import type { Row } from '@solopo/objectives';
import { CONFIG } from '@solopo/platform';
import { ModelFiles, type Effects, type JobFunction, type Work, type WorkerConfig } from '@solopo/worker';
import { alignmentMetrics, pairAlignment, type FourRows } from '../alignment-metrics.ts';
import { sumOf } from '../sum-of.ts';

/** How far a policy version's short and long rewards agree, on pairs that it never trains on. */
@Injectable()
export class AlignPolicy implements JobFunction<'align'> {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(CONFIG) private readonly config: WorkerConfig,
  ) {}

  async execute({ stage, spec, range }: Work<'align'>, context: JobContext): Promise<Effects> {
    const pairs = await this.ledger.pairs.list(spec.pair, 'held-out', range);
    const reference = await this.#reference(spec, pairs);
    const policy = spec.policy === spec.model ? reference : await this.#policy(spec, pairs, context);
    const details = pairs.map((pair, i) => {
      const rows = Object.fromEntries(
        (['shortChosen', 'shortRejected', 'longChosen', 'longRejected'] satisfies Row[]).map((row) => [
          row,
          {
            policy: policy[i]?.[row] as number,
            reference: reference[i]?.[row] as number,
            tokens: (row.endsWith('Chosen') ? pair.chosen : pair.rejected).length,
          },
        ]),
      ) as FourRows;
      return {
        pair: pair.digest,
        shortTokens: pair.short.length,
        longTokens: pair.long.length,
        metrics: pairAlignment(spec, rows),
      };
    });
    const { run, step, policy: digest } = spec;
    return {
      result: { pairs: pairs.length },
      write: (tx) =>
        tx.alignments.insert(stage, {
          run,
          step,
          policy: digest,
          metrics: alignmentMetrics(details.map(({ metrics }) => metrics)),
          details,
        }),
    };
  }

  /** Summed log-probabilities of the frozen model, from the ledger. */
  async #reference(
    { pair, model }: StageSpecOf<'align'>,
    pairs: readonly PairRecord[],
  ): Promise<Partial<Record<Row, number>>[]> {
    const scores = await this.ledger.scores.list(
      pair,
      model,
      pairs.map(({ position }) => position),
    );
    const byPosition = Map.groupBy(scores, ({ position }) => position);
    return pairs.map(({ position }) =>
      Object.fromEntries(
        (byPosition.get(position) ?? []).map(({ context, response, sum }) => [rowName(context, response), sum]),
      ),
    );
  }

  async #policy(
    { model, policy }: StageSpecOf<'align'>,
    pairs: readonly PairRecord[],
    context: JobContext,
  ): Promise<Partial<Record<Row, number>>[]> {
    const source = await this.models.source(model, policy);
    const contexts = await Promise.all(
      (['short', 'long'] as const).map(async (kind) => {
        const { logps } = await this.engine.run(
          'score',
          {
            model: source,
            trees: pairs.map(({ chosen, rejected, ...prompts }) => ({
              prompt: prompts[kind],
              branches: [chosen, rejected],
            })),
            batchTokens: this.config.batchTokens,
          },
          { signal: context.signal, onProgress: () => context.working() },
        );
        return { kind, logps };
      }),
    );
    return pairs.map((_, i) =>
      Object.fromEntries(
        contexts.flatMap(({ kind, logps }) =>
          (['chosen', 'rejected'] as const).map((response, branch) => [
            rowName(kind, response),
            sumOf(logps[i]?.[branch] as Float32Array),
          ]),
        ),
      ),
    );
  }
}

function rowName(context: 'short' | 'long', response: 'chosen' | 'rejected'): Row {
  return `${context}${response === 'chosen' ? 'Chosen' : 'Rejected'}`;
}
