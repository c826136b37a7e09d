import { bytesOfTokens, tokensOfBytes, type TokenIds } from '../bytes.ts';
import type { Range } from '../range.ts';
import { sampleDigest } from '../row-digests.ts';
import type { Queries } from '../tables/database.ts';
import { storableText } from '../text.ts';
import { arrayBatches, columnsOf, unnested } from '../unnested.ts';

export interface NewSample {
  readonly position: number;
  readonly sampleIndex: number;
  readonly tokens: TokenIds;
  readonly text: string;
  /** Ended by itself, or by the limit of new tokens. */
  readonly finish: 'stop' | 'length';
  /** Summed log-probability under the sampler. */
  readonly logp: number;
}

export interface SampleRecord extends NewSample {
  readonly tokens: Int32Array;
}

export interface SampleEvidence extends SampleRecord {
  /** Of the row; null: it is older than the column. */
  readonly digest: string | null;
}

const TYPES = {
  stage: 'text',
  position: 'integer',
  sample_index: 'integer',
  tokens: 'bytea',
  text: 'text',
  finish: 'text',
  logp: 'real',
  digest: 'text',
} as const;

export class SampleRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async insert(stage: string, samples: readonly NewSample[]): Promise<void> {
    const rowOf = (sample: NewSample) => ({
      stage,
      position: sample.position,
      sample_index: sample.sampleIndex,
      tokens: bytesOfTokens(sample.tokens),
      text: storableText(sample.text),
      finish: sample.finish,
      logp: sample.logp,
      digest: sampleDigest(stage, sample),
    });
    // Rows are made batch by batch, so that the process does other things between them.
    for (const batch of arrayBatches(samples))
      await this.#db
        .insertInto('samples')
        .columns(columnsOf(TYPES))
        .expression(unnested(TYPES, batch.map(rowOf)))
        .onConflict((conflict) => conflict.columns(['stage', 'position', 'sample_index']).doNothing())
        .execute();
  }

  /** Samples of examples [from, to), by example and index. */
  async list(stage: string, range: Range): Promise<SampleRecord[]> {
    const rows = await this.#rows(stage, range).execute();
    return rows.map(recordOf);
  }

  /** The same, with what proves them. */
  async evidence(stage: string, range: Range): Promise<SampleEvidence[]> {
    const rows = await this.#rows(stage, range).select('digest').execute();
    return rows.map((row) => ({ ...recordOf(row), digest: row.digest }));
  }

  #rows(stage: string, range: Range) {
    return this.#db
      .selectFrom('samples')
      .select(['position', 'sample_index', 'tokens', 'text', 'finish', 'logp'])
      .where('stage', '=', stage)
      .where('position', '>=', range.from)
      .where('position', '<', range.to)
      .orderBy('position')
      .orderBy('sample_index');
  }
}

type SampleRow = Omit<SampleRecord, 'sampleIndex' | 'tokens'> & {
  readonly sample_index: number;
  readonly tokens: Buffer;
};

function recordOf({ position, sample_index, tokens, text, finish, logp }: SampleRow): SampleRecord {
  return { position, sampleIndex: sample_index, tokens: tokensOfBytes(tokens), text, finish, logp };
}
