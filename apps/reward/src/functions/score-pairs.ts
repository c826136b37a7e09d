import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import { Engine } from '@solopo/engine';
import { FUNCTIONS } from '@solopo/functions';
import { Ledger, type Score } from '@solopo/ledger';
import { sumOf } from '@solopo/pipeline';
import { CONFIG } from '@solopo/platform';
import { ModelFiles, tellJob, type Effects, type JobFunction, type Work, type WorkerConfig } from '@solopo/worker';

/** Reference log-probabilities of both responses of each pair under one kind of context: once, and kept. */
@Injectable()
export class ScorePairs implements JobFunction<'score'> {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(CONFIG) private readonly config: WorkerConfig,
  ) {}

  async execute(
    { spec: { pair, model, context: kind, split, frozenWeights, precision, engine: by }, range, start }: Work<'score'>,
    context: JobContext,
  ): Promise<Effects> {
    const pairs = await this.ledger.pairs.list(pair, split, { from: start, to: range.to });
    const from = range.from - start;
    const engine = await this.engine.run(
      'fingerprint',
      { frozenWeights, precision },
      { engine: by, signal: context.signal },
    );
    const { logps, tokens } = await this.engine.run(
      'score',
      {
        model: await this.models.source(model, { frozenWeights, precision }),
        trees: pairs.map(({ chosen, rejected, ...contexts }) => ({
          prompt: contexts[kind],
          branches: [chosen, rejected],
        })),
        from,
        batchTokens: this.config.batchTokens,
        sliceMs: FUNCTIONS.score.sliceMs,
      },
      {
        engine: by,
        signal: context.signal,
        onProgress: tellJob(context, { kind: 'score', total: pairs.length - from }),
      },
    );
    const scores = pairs.slice(from, from + logps.length).flatMap(({ position }, i) =>
      (['chosen', 'rejected'] as const).map((response, branch): Score => {
        const values = logps[i]?.[branch] as Float32Array;
        return { position, context: kind, response, engine, logps: values, sum: sumOf(values) };
      }),
    );
    return {
      ...(from + logps.length < pairs.length ? { itemsDone: logps.length } : {}),
      result: { rows: scores.length, tokens },
      write: (tx) => tx.scores.insert(pair, model, scores),
    };
  }
}
