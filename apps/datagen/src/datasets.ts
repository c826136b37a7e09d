import { Inject, Injectable } from '@nestjs/common';
import type { Example } from '@solopo/contracts';
import { Ledger, type ExampleRecord, type Range } from '@solopo/ledger';

/** Examples read at a time: to parse more would keep the process from answering. */
const PAGE = 24;

/** Examples of registered data sets. */
@Injectable()
export class Datasets {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  async *pages(dataset: string, { from, to }: Range): AsyncGenerator<ExampleRecord[], void, undefined> {
    for (let at = from; at < to; at += PAGE)
      yield await this.ledger.datasets.examples(dataset, { from: at, to: Math.min(to, at + PAGE) });
  }

  /** All of them, in data-set order. */
  async *contents(dataset: string): AsyncGenerator<Example[], void, undefined> {
    const { examples } = await this.ledger.datasets.require(dataset);
    for await (const page of this.pages(dataset, { from: 0, to: examples })) yield page.map(({ content }) => content);
  }
}
