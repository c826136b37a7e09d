import { Inject, Injectable } from '@nestjs/common';
import type { RunView } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { cancelRun } from '@solopo/workflow';

@Injectable()
export class CancelRun {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  async execute(id: string): Promise<RunView> {
    await this.ledger.transaction((tx) => cancelRun(tx, id));
    return this.ledger.runs.view(id);
  }
}
