import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import {
  runConfigSchema,
  type AlignmentView,
  type EvaluationView,
  type PairView,
  type RunConfig,
  type RunView,
  type StepView,
} from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import type { Response } from 'express';
import type { z } from 'zod';
import { Valid, validName } from '../http/valid.pipe.ts';
import { CancelRun } from './cancel-run.use-case.ts';
import { CreateRun } from './create-run.use-case.ts';
import { ListPairs } from './list-pairs.use-case.ts';
import { listPairsQuerySchema, listRunsQuerySchema, listStepsQuerySchema } from './runs.queries.ts';

@Controller('v1/runs')
export class RunsController {
  constructor(
    @Inject(CreateRun) private readonly createRun: CreateRun,
    @Inject(CancelRun) private readonly cancelRun: CancelRun,
    @Inject(ListPairs) private readonly listPairs: ListPairs,
    @Inject(Ledger) private readonly ledger: Ledger,
  ) {}

  @Post()
  async create(
    @Body(new Valid(runConfigSchema, 'config-invalid')) config: RunConfig,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RunView> {
    const run = await this.createRun.execute(config);
    response.location(`/v1/runs/${run.id}`);
    return run;
  }

  @Get()
  async list(
    @Query(new Valid(listRunsQuerySchema)) { limit }: z.infer<typeof listRunsQuerySchema>,
  ): Promise<readonly RunView[]> {
    return this.ledger.runs.views(limit);
  }

  @Get(':id')
  async show(@Param('id', validName) id: string): Promise<RunView> {
    return this.ledger.runs.view(id);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  async cancel(@Param('id', validName) id: string): Promise<RunView> {
    return this.cancelRun.execute(id);
  }

  @Get(':id/steps')
  async steps(
    @Param('id', validName) id: string,
    @Query(new Valid(listStepsQuerySchema)) { after, limit }: z.infer<typeof listStepsQuerySchema>,
  ): Promise<readonly StepView[]> {
    await this.ledger.runs.require(id);
    return this.ledger.steps.after(id, after, limit);
  }

  @Get(':id/alignments')
  async alignments(@Param('id', validName) id: string): Promise<readonly AlignmentView[]> {
    await this.ledger.runs.require(id);
    return this.ledger.alignments.ofRun(id);
  }

  @Get(':id/evaluations')
  async evaluations(@Param('id', validName) id: string): Promise<readonly EvaluationView[]> {
    await this.ledger.runs.require(id);
    return this.ledger.evaluations.ofRun(id);
  }

  @Get(':id/pairs')
  async pairs(
    @Param('id', validName) id: string,
    @Query(new Valid(listPairsQuerySchema)) query: z.infer<typeof listPairsQuerySchema>,
  ): Promise<readonly PairView[]> {
    return this.listPairs.execute({ run: id, ...query });
  }
}
