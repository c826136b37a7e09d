import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type StageSpecOf } from '@solopo/contracts';
import { Engine, type RunOptions } from '@solopo/engine';
import { Ledger, type PairRecord, type Score } from '@solopo/ledger';
import { rowName, type Row } from '@solopo/objectives';
import { referenceRowsOf, referenceSums, sumOf, type ReferenceSums } from '@solopo/pipeline';
import { CONFIG, LOGGER, Metrics, type Logger } from '@solopo/platform';
import { ModelFiles, type WorkerConfig } from '@solopo/worker';

export interface ReadReference {
  /** By the engine that trains, for every row that training reads. */
  readonly sums: ReferenceSums;
  /** Rows that only other engines had scored: to be recorded with what was made of them. */
  readonly rescored: readonly Score[];
}

const CONTEXTS = ['short', 'long'] as const;
const RESPONSES = ['chosen', 'rejected'] as const;

/** The frozen reference's scores as the engine that trains gives them; a policy is never compared with another engine's numbers. */
@Injectable()
export class ReferenceScores {
  readonly #count;

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(CONFIG) private readonly config: WorkerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.#count = metrics.counter({
      name: 'solopo_rescored_rows_total',
      help: 'Reference rows that the trainer scored again, because only engines of other fingerprints had scored them',
    });
  }

  /** @throws SolopoError `internal` where no engine has scored a row that training reads */
  async read(
    spec: StageSpecOf<'train'>,
    pairs: readonly PairRecord[],
    fingerprint: string,
    options: RunOptions,
  ): Promise<ReadReference> {
    const positions = pairs.map(({ position }) => position);
    const own = await this.ledger.scores.list(spec.pair, spec.model, positions, fingerprint);
    const missing = missingRows(spec, pairs, referenceSums(own));
    if (missing.length === 0) return { sums: referenceSums(own), rescored: [] };

    const others = await this.ledger.scores.list(spec.pair, spec.model, positions);
    const [lost] = missingRows(spec, pairs, referenceSums(others));
    if (lost !== undefined)
      throw new SolopoError(
        'internal',
        `Pair ${lost.pair.digest} has no reference score for ${lost.row}; report this as a defect.`,
      );
    const rescored = await this.#score(spec, missing, fingerprint, options);
    this.#count.inc(rescored.length);
    this.logger.warn(
      {
        run: spec.run,
        rescored: rescored.length,
        engine: fingerprint,
        scoredBy: others.find(({ engine }) => engine !== fingerprint)?.engine,
      },
      'scored the reference again: its scores are by an engine of another fingerprint; give reward and trainer the same threads and processors to save this',
    );
    return { sums: referenceSums([...own, ...rescored]), rescored };
  }

  /** As the score stage did, both responses behind one prompt: the layout is part of what the last bits depend on. */
  async #score(
    { model, frozenWeights, precision }: StageSpecOf<'train'>,
    missing: readonly MissingRow[],
    engine: string,
    options: RunOptions,
  ): Promise<Score[]> {
    const wanted = new Map(missing.map(({ pair, row }) => [`${pair.position} ${row}`, pair]));
    const trees = [...new Set(wanted.values())].flatMap((pair) =>
      CONTEXTS.filter((context) => RESPONSES.some((response) => wanted.has(keyOf(pair, context, response)))).map(
        (context) => ({ pair, context }),
      ),
    );
    const { logps } = await this.engine.run(
      'score',
      {
        model: await this.models.source(model, { frozenWeights, precision }),
        trees: trees.map(({ pair, context }) => ({ prompt: pair[context], branches: [pair.chosen, pair.rejected] })),
        batchTokens: this.config.batchTokens,
      },
      options,
    );
    return trees.flatMap(({ pair, context }, tree) =>
      RESPONSES.flatMap((response, branch): Score[] => {
        if (!wanted.has(keyOf(pair, context, response))) return [];
        const values = logps[tree]?.[branch] as Float32Array;
        return [{ position: pair.position, context, response, engine, logps: values, sum: sumOf(values) }];
      }),
    );
  }
}

interface MissingRow {
  readonly pair: PairRecord;
  readonly row: Row;
}

function missingRows(spec: StageSpecOf<'train'>, pairs: readonly PairRecord[], sums: ReferenceSums): MissingRow[] {
  return pairs.flatMap((pair) =>
    referenceRowsOf(spec, pair.digest)
      .filter((row) => sums.get(pair.position)?.[row] === undefined)
      .map((row) => ({ pair, row })),
  );
}

function keyOf({ position }: PairRecord, context: Score['context'], response: Score['response']): string {
  return `${position} ${rowName(context, response)}`;
}
