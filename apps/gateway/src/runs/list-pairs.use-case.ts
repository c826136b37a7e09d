import { Inject, Injectable } from '@nestjs/common';
import type { PairView } from '@solopo/contracts';
import { Ledger, type PairFilter } from '@solopo/ledger';

interface Query extends PairFilter {
  readonly run: string;
  readonly offset: number;
  readonly limit: number;
}

@Injectable()
export class ListPairs {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  /** In data-set order; none while the run has not come to its pairs. */
  async execute({ run, offset, limit, ...filter }: Query): Promise<readonly PairView[]> {
    const { id } = await this.ledger.runs.require(run);
    const stages = await this.ledger.runs.stages(id);
    const pairing = stages.find(({ kind }) => kind === 'pair');
    if (pairing === undefined) return [];
    return this.ledger.pairs.views(pairing.digest, { from: offset, to: offset + limit }, filter);
  }
}
