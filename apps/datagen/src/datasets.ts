import { Inject, Injectable } from '@nestjs/common';
import { DocumentPool } from '@solopo/corpus';
import { Ledger, type ExampleRecord, type Range } from '@solopo/ledger';

/** Examples of registered data sets, and the documents of each as a pool of distractors. */
@Injectable()
export class Datasets {
  #pool: { readonly dataset: string; readonly pool: Promise<DocumentPool> } | undefined;

  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  examples(dataset: string, range: Range): Promise<ExampleRecord[]> {
    return this.ledger.datasets.examples(dataset, range);
  }

  /** Every example's documents in data-set order: the same for each chunk. The last pool asked for is kept. */
  pool(dataset: string): Promise<DocumentPool> {
    if (this.#pool?.dataset !== dataset) this.#pool = { dataset, pool: this.#readPool(dataset) };
    return this.#pool.pool;
  }

  async #readPool(dataset: string): Promise<DocumentPool> {
    const { examples } = await this.ledger.datasets.require(dataset);
    const records = await this.examples(dataset, { from: 0, to: examples });
    return new DocumentPool(records.map(({ content }) => content));
  }
}
