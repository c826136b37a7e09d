import { batches } from '../batches.ts';
import { bytesOfTokens, tokensOfBytes, type TokenIds } from '../bytes.ts';
import type { Range } from '../range.ts';
import type { Queries } from '../tables/database.ts';
import { storableText } from '../text.ts';

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

export class SampleRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async insert(stage: string, samples: readonly NewSample[]): Promise<void> {
    const rows = samples.map(({ position, sampleIndex, tokens, text, finish, logp }) => ({
      stage,
      position,
      sample_index: sampleIndex,
      tokens: bytesOfTokens(tokens),
      text: storableText(text),
      finish,
      logp,
    }));
    for (const batch of batches(rows))
      await this.#db
        .insertInto('samples')
        .values(batch)
        .onConflict((conflict) => conflict.columns(['stage', 'position', 'sample_index']).doNothing())
        .execute();
  }

  /** Samples of examples [from, to), by example and index. */
  async list(stage: string, range: Range): Promise<SampleRecord[]> {
    const rows = await this.#db
      .selectFrom('samples')
      .select(['position', 'sample_index', 'tokens', 'text', 'finish', 'logp'])
      .where('stage', '=', stage)
      .where('position', '>=', range.from)
      .where('position', '<', range.to)
      .orderBy('position')
      .orderBy('sample_index')
      .execute();
    return rows.map(({ sample_index, tokens, ...row }) => ({
      ...row,
      sampleIndex: sample_index,
      tokens: tokensOfBytes(tokens),
    }));
  }
}
