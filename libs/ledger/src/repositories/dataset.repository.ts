import { digestOf, SolopoError, type DatasetView, type Example } from '@solopo/contracts';
import { sql } from 'kysely';
import { streamedBatches } from '../batches.ts';
import type { Range } from '../range.ts';
import type { Queries } from '../tables/database.ts';

export type NewDataset = Omit<DatasetView, 'createdAt'>;

export interface ExampleRecord {
  readonly position: number;
  readonly digest: string;
  readonly content: Example;
}

export class DatasetRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** Call it in a transaction: a data set has all its examples or is not there. They are written as they come. */
  async register(dataset: NewDataset, content: Iterable<Example> | AsyncIterable<Example>): Promise<void> {
    const { digest, name, format, examples, rejected, rejectedCount } = dataset;
    const values = { digest, name, format, examples };
    await this.#db
      .insertInto('datasets')
      .values({ ...values, rejected: JSON.stringify(rejected), rejected_count: rejectedCount })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    for await (const batch of streamedBatches(rowsOf(digest, content), ({ content: { length } }) => length))
      await this.#db
        .insertInto('examples')
        .values(batch)
        .onConflict((conflict) => conflict.columns(['dataset', 'position']).doNothing())
        .execute();
  }

  /** By digest, or the latest of that name. */
  async find(nameOrDigest: string): Promise<DatasetView | null> {
    const row = await this.#db
      .selectFrom('datasets')
      .selectAll()
      .where((is) => is.or([is('digest', '=', nameOrDigest), is('name', '=', nameOrDigest)]))
      .orderBy('created_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? null : viewOf(row);
  }

  async require(nameOrDigest: string): Promise<DatasetView> {
    const dataset = await this.find(nameOrDigest);
    if (dataset === null)
      throw new SolopoError('not-found', `There is no data set ${nameOrDigest}; import it with POST /v1/datasets.`);
    return dataset;
  }

  async list(): Promise<DatasetView[]> {
    const rows = await this.#db.selectFrom('datasets').selectAll().orderBy('created_at').orderBy('name').execute();
    return rows.map(viewOf);
  }

  async examples(dataset: string, range: Range): Promise<ExampleRecord[]> {
    return this.#db
      .selectFrom('examples')
      .select(['position', 'digest', 'content'])
      .where('dataset', '=', dataset)
      .where('position', '>=', range.from)
      .where('position', '<', range.to)
      .orderBy('position')
      .execute();
  }

  /** How many of the first `questions` of a data set another one asks too, whatever their case and the white space around them. */
  async sharedQuestions(
    dataset: string,
    other: string,
    questions?: number,
  ): Promise<{ readonly asked: number; readonly shared: number }> {
    const question = sql<string>`lower(btrim(content->>'question', E' \\t\\r\\n'))`;
    const others = this.#db.selectFrom('examples').select(question.as('question')).where('dataset', '=', other);
    return this.#db
      .selectFrom('examples')
      .select((count) => [
        count.fn.countAll<number>().as('asked'),
        sql<number>`count(*) filter (where ${question} in ${others})`.as('shared'),
      ])
      .where('dataset', '=', dataset)
      .$if(questions !== undefined, (all) => all.where('position', '<', questions ?? 0))
      .executeTakeFirstOrThrow();
  }

  /** The questions at those positions. */
  async questions(dataset: string, positions: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const rows = await this.#db
      .selectFrom('examples')
      .select(['position', sql<string>`content->>'question'`.as('question')])
      .where('dataset', '=', dataset)
      .where('position', '=', sql<number>`any(${[...positions]}::integer[])`)
      .execute();
    return new Map(rows.map(({ position, question }) => [position, question]));
  }
}

async function* rowsOf(dataset: string, content: Iterable<Example> | AsyncIterable<Example>) {
  let position = 0;
  for await (const example of content)
    yield {
      dataset,
      position: position++,
      example_id: example.id,
      digest: digestOf(example),
      content: JSON.stringify(example),
    };
}

interface DatasetRow extends Omit<NewDataset, 'rejectedCount'> {
  readonly rejected_count: number;
  readonly created_at: Date;
}

function viewOf({ rejected_count, created_at, ...dataset }: DatasetRow): DatasetView {
  return { ...dataset, rejectedCount: rejected_count, createdAt: created_at.toISOString() };
}
