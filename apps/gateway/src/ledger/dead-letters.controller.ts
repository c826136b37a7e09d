import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { deadLetterViewSchema, retriedSchema, type DeadLetterView, type Retried } from '@solopo/contracts';
import { Ledger, type DeadLetterRecord } from '@solopo/ledger';
import { retryDeadLetter } from '@solopo/workflow';
import { z } from 'zod';
import { Valid } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';

const querySchema = z.strictObject({ limit: z.coerce.number().int().min(1).max(1000).default(100) });
const idSchema = z.coerce.number().int().min(1);

@Controller('v1/dead-letters')
export class DeadLettersController {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  @Get()
  @Operation('listDeadLetters', {
    summary: 'Jobs that were given up, latest first',
    scope: 'read',
    answer: z.array(deadLetterViewSchema),
  })
  async list(
    @Query(new Valid(querySchema)) { limit }: z.infer<typeof querySchema>,
  ): Promise<readonly DeadLetterView[]> {
    return (await this.ledger.deadLetters.list(limit)).map(viewOf);
  }

  @Get(':id')
  @Operation('showDeadLetter', { summary: 'A job that was given up', scope: 'read', answer: deadLetterViewSchema })
  async show(@Param('id', new Valid(idSchema)) id: number): Promise<DeadLetterView> {
    return viewOf(await this.ledger.deadLetters.require(id));
  }

  @Post(':id/retry')
  @HttpCode(200)
  @Operation('retryDeadLetter', {
    summary: 'Sets the runs going again that failed because of the letter',
    scope: 'run',
    answer: retriedSchema,
  })
  async retry(@Param('id', new Valid(idSchema)) id: number): Promise<Retried> {
    return { runs: await this.ledger.transaction((tx) => retryDeadLetter(tx, id)) };
  }

  @Delete(':id')
  @HttpCode(204)
  @Operation('discardDeadLetter', {
    summary: 'Deletes the letter; what failed with it stays failed',
    scope: 'run',
    answer: null,
  })
  async discard(@Param('id', new Valid(idSchema)) id: number): Promise<void> {
    await this.ledger.deadLetters.discard(id);
  }
}

function viewOf({ createdAt, retriedAt, ...letter }: DeadLetterRecord): DeadLetterView {
  return { ...letter, createdAt: createdAt.toISOString(), retriedAt: retriedAt?.toISOString() ?? null };
}
