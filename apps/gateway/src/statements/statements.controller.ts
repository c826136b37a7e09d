import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import {
  createStatementSchema,
  envelopeSchema,
  signingKeyViewSchema,
  type Envelope,
  type SigningKeyView,
} from '@solopo/contracts';
import type { z } from 'zod';
import { Valid, validName } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';
import { policyQuerySchema } from '../runs/runs.queries.ts';
import { SigningKey } from './signing-key.ts';
import { StateMerged } from './state-merged.use-case.ts';

@Controller('v1')
export class StatementsController {
  constructor(
    @Inject(SigningKey) private readonly key: SigningKey,
    @Inject(StateMerged) private readonly stateMerged: StateMerged,
  ) {}

  @Get('signing-key')
  @Operation('showSigningKey', {
    summary: "The public key that exports' statements are signed with",
    scope: 'read',
    answer: signingKeyViewSchema,
  })
  signingKey(): SigningKeyView {
    return this.key.require();
  }

  @Post('runs/:id/policy/statement')
  @HttpCode(200)
  @Operation('stateMergedPolicy', {
    summary:
      'Signs what a merged policy was made of; files that are neither of the base nor of the adapter are marked as declared by the caller',
    scope: 'run',
    answer: envelopeSchema,
  })
  async merged(
    @Param('id', validName) run: string,
    @Query(new Valid(policyQuerySchema)) { step }: z.infer<typeof policyQuerySchema>,
    @Body(new Valid(createStatementSchema)) { files }: z.infer<typeof createStatementSchema>,
  ): Promise<Envelope> {
    return this.stateMerged.execute({ run, step, files });
  }
}
