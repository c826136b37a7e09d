import { Controller, Get, Inject } from '@nestjs/common';
import { Ledger } from '@solopo/ledger';
import { z } from 'zod';
import { Operation } from '../openapi/operation.decorator.ts';

@Controller('v1/ledger')
export class LedgerController {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  @Get('counts')
  @Operation('countLedger', {
    summary: 'Rows in each table of evidence',
    scope: 'read',
    answer: z.record(z.string(), z.int().min(0)),
  })
  async counts(): Promise<Readonly<Record<string, number>>> {
    return this.ledger.counts();
  }
}
