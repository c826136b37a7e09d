import { randomInt } from 'node:crypto';
import { Body, Controller, Get, Inject, Param, Post, Res } from '@nestjs/common';
import { createReplaySchema, replayViewSchema, type ReplayView } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { startReplay } from '@solopo/workflow';
import type { Response } from 'express';
import { z } from 'zod';
import { Valid, validName } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';
import { replaysOf, requireReplay } from './replay-views.ts';

@Controller('v1/runs/:id/replays')
export class ReplaysController {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  @Post()
  @Operation('createReplay', {
    summary:
      'Has a trainer take random slices of the run once more, from their checkpoints; nothing of the run changes',
    scope: 'run',
    answer: replayViewSchema,
  })
  async create(
    @Param('id', validName) run: string,
    @Body(new Valid(createReplaySchema)) { slices, seed = randomInt(2 ** 31) }: z.infer<typeof createReplaySchema>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ReplayView> {
    const id = await this.ledger.transaction((tx) => startReplay(tx, run, { slices, seed }));
    response.location(`/v1/runs/${run}/replays/${id}`);
    return requireReplay(this.ledger, run, id);
  }

  @Get()
  @Operation('listReplays', {
    summary: 'Replays of the run, latest first',
    scope: 'read',
    answer: z.array(replayViewSchema),
  })
  async list(@Param('id', validName) run: string): Promise<readonly ReplayView[]> {
    await this.ledger.runs.require(run);
    return replaysOf(this.ledger, run);
  }

  @Get(':replay')
  @Operation('showReplay', {
    summary: 'Whether slices that were taken once more came to what was recorded',
    scope: 'read',
    answer: replayViewSchema,
  })
  async show(@Param('id', validName) run: string, @Param('replay', validName) replay: string): Promise<ReplayView> {
    await this.ledger.runs.require(run);
    return requireReplay(this.ledger, run, replay);
  }
}
