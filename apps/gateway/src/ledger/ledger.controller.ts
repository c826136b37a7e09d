import { Controller, Get, Inject } from '@nestjs/common';
import { Ledger, type EvidenceTable } from '@solopo/ledger';

@Controller('v1/ledger')
export class LedgerController {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  @Get('counts')
  async counts(): Promise<Readonly<Record<EvidenceTable, number>>> {
    return this.ledger.counts();
  }
}
