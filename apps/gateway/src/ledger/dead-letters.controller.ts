import { Controller, Get, Inject, Query } from '@nestjs/common';
import { Ledger, type DeadLetterRecord } from '@solopo/ledger';
import { z } from 'zod';
import { Valid } from '../http/valid.pipe.ts';

const querySchema = z.strictObject({ limit: z.coerce.number().int().min(1).max(1000).default(100) });

@Controller('v1/dead-letters')
export class DeadLettersController {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  @Get()
  async list(
    @Query(new Valid(querySchema)) { limit }: z.infer<typeof querySchema>,
  ): Promise<readonly DeadLetterRecord[]> {
    return this.ledger.deadLetters.list(limit);
  }
}
