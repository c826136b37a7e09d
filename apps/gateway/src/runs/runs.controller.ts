import { Readable } from 'node:stream';
import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res, StreamableFile } from '@nestjs/common';
import {
  alignmentViewSchema,
  evaluationViewSchema,
  evidencePlacesSchema,
  inspectionSchema,
  pairDetailsSchema,
  pairViewSchema,
  policyManifestSchema,
  runConfigSchema,
  runSummarySchema,
  runViewSchema,
  sliceViewSchema,
  stepViewSchema,
  verificationSchema,
  type AlignmentView,
  type EvaluationView,
  type EvidencePlaces,
  type Inspection,
  type PairDetails,
  type PairView,
  type PolicyManifest,
  type RunConfig,
  type RunSummary,
  type RunView,
  type SliceView,
  type StepView,
  type Verification,
} from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import type { Response } from 'express';
import { z } from 'zod';
import { Valid, validName } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';
import { CancelRun } from './cancel-run.use-case.ts';
import { CreateRun } from './create-run.use-case.ts';
import { DescribePolicy } from './describe-policy.use-case.ts';
import { ExportPairs } from './export-pairs.use-case.ts';
import { InspectPair } from './inspect-pair.use-case.ts';
import { ListPairs } from './list-pairs.use-case.ts';
import { ListSlices } from './list-slices.use-case.ts';
import { PlaceEvidence } from './place-evidence.use-case.ts';
import {
  exportPairsQuerySchema,
  inspectionQuerySchema,
  listPairsQuerySchema,
  listRunsQuerySchema,
  listStepsQuerySchema,
  policyQuerySchema,
} from './runs.queries.ts';
import { ShowPair } from './show-pair.use-case.ts';
import { VerifyRun } from '../verify/verify-run.use-case.ts';

@Controller('v1/runs')
export class RunsController {
  constructor(
    @Inject(CreateRun) private readonly createRun: CreateRun,
    @Inject(CancelRun) private readonly cancelRun: CancelRun,
    @Inject(ListPairs) private readonly listPairs: ListPairs,
    @Inject(ShowPair) private readonly showPair: ShowPair,
    @Inject(InspectPair) private readonly inspectPair: InspectPair,
    @Inject(ListSlices) private readonly listSlices: ListSlices,
    @Inject(PlaceEvidence) private readonly placeEvidence: PlaceEvidence,
    @Inject(ExportPairs) private readonly exportPairs: ExportPairs,
    @Inject(DescribePolicy) private readonly describePolicy: DescribePolicy,
    @Inject(VerifyRun) private readonly verifyRun: VerifyRun,
    @Inject(Ledger) private readonly ledger: Ledger,
  ) {}

  @Post()
  @Operation('createRun', { summary: 'Starts a run', scope: 'run', answer: runViewSchema })
  async create(
    @Body(new Valid(runConfigSchema, 'config-invalid')) config: RunConfig,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RunView> {
    const run = await this.createRun.execute(config);
    response.location(`/v1/runs/${run.id}`);
    return run;
  }

  @Get()
  @Operation('listRuns', {
    summary: 'Runs, latest first, with the short of their configurations',
    scope: 'read',
    answer: z.array(runSummarySchema),
  })
  async list(
    @Query(new Valid(listRunsQuerySchema)) query: z.infer<typeof listRunsQuerySchema>,
  ): Promise<readonly RunSummary[]> {
    return this.ledger.runs.summaries(query);
  }

  @Get(':id')
  @Operation('showRun', { summary: 'A run with its stages', scope: 'read', answer: runViewSchema })
  async show(@Param('id', validName) id: string): Promise<RunView> {
    return this.ledger.runs.view(id);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Operation('cancelRun', { summary: 'Ends a running run', scope: 'run', answer: runViewSchema })
  async cancel(@Param('id', validName) id: string): Promise<RunView> {
    return this.cancelRun.execute(id);
  }

  @Get(':id/steps')
  @Operation('listSteps', {
    summary: 'Gradient steps with their metrics, in order',
    scope: 'read',
    answer: z.array(stepViewSchema),
  })
  async steps(
    @Param('id', validName) id: string,
    @Query(new Valid(listStepsQuerySchema)) { after, limit }: z.infer<typeof listStepsQuerySchema>,
  ): Promise<readonly StepView[]> {
    await this.ledger.runs.require(id);
    return this.ledger.steps.after(id, after, limit);
  }

  @Get(':id/slices')
  @Operation('listSlices', {
    summary: 'How long each slice of training took',
    scope: 'read',
    answer: z.array(sliceViewSchema),
  })
  async slices(@Param('id', validName) id: string): Promise<readonly SliceView[]> {
    return this.listSlices.execute(id);
  }

  @Get(':id/alignments')
  @Operation('listAlignments', {
    summary: 'Metrics of each policy version on the held-out pairs',
    scope: 'read',
    answer: z.array(alignmentViewSchema),
  })
  async alignments(@Param('id', validName) id: string): Promise<readonly AlignmentView[]> {
    await this.ledger.runs.require(id);
    return this.ledger.alignments.ofRun(id);
  }

  @Get(':id/evaluations')
  @Operation('listEvaluations', {
    summary: 'Accuracy by context length, of the base model and of the policy',
    scope: 'read',
    answer: z.array(evaluationViewSchema),
  })
  async evaluations(@Param('id', validName) id: string): Promise<readonly EvaluationView[]> {
    await this.ledger.runs.require(id);
    return this.ledger.evaluations.ofRun(id);
  }

  @Get(':id/evaluations/places')
  @Operation('listEvidencePlaces', {
    summary: 'Where the evidence of each evaluated question stood, by context length',
    scope: 'read',
    answer: z.array(evidencePlacesSchema),
  })
  async evidencePlaces(@Param('id', validName) id: string): Promise<readonly EvidencePlaces[]> {
    return this.placeEvidence.execute(id);
  }

  @Get(':id/pairs')
  @Operation('listPairs', {
    summary: 'Preference pairs in data-set order; none before the run has come to them',
    scope: 'read',
    answer: z.array(pairViewSchema),
  })
  async pairs(
    @Param('id', validName) id: string,
    @Query(new Valid(listPairsQuerySchema)) query: z.infer<typeof listPairsQuerySchema>,
  ): Promise<readonly PairView[]> {
    return this.listPairs.execute({ run: id, ...query });
  }

  @Get(':id/pairs/:digest')
  @Operation('showPair', {
    summary: 'A pair with both prompts, their evidence marked',
    scope: 'read',
    answer: pairDetailsSchema,
  })
  async pair(@Param('id', validName) id: string, @Param('digest', validName) digest: string): Promise<PairDetails> {
    return this.showPair.execute({ run: id, digest });
  }

  @Get(':id/pairs/:digest/inspection')
  @Operation('inspectPair', {
    summary:
      'Log-probabilities and attention of a policy version on a pair, computed by a reward worker; 503 while none is up',
    scope: 'read',
    answer: inspectionSchema,
  })
  async inspection(
    @Param('id', validName) id: string,
    @Param('digest', validName) digest: string,
    @Query(new Valid(inspectionQuerySchema)) { step }: z.infer<typeof inspectionQuerySchema>,
  ): Promise<Inspection> {
    return this.inspectPair.execute({ run: id, pair: digest, step });
  }

  @Get(':id/pairs.jsonl')
  @Operation('exportPairs', {
    summary: 'Preference pairs as other trainers read them, by ordinal',
    scope: 'read',
    answer: { type: 'application/x-ndjson', description: 'JSON lines' },
  })
  async pairLines(
    @Param('id', validName) id: string,
    @Query(new Valid(exportPairsQuerySchema)) query: z.infer<typeof exportPairsQuerySchema>,
  ): Promise<StreamableFile> {
    const lines = await this.exportPairs.execute({ run: id, ...query });
    return new StreamableFile(Readable.from(lines), {
      type: 'application/x-ndjson',
      disposition: `attachment; filename="pairs-${query.split}.jsonl"`,
    });
  }

  @Get(':id/policy')
  @Operation('describePolicy', {
    summary: 'The files of a policy version: a Hugging Face model folder, or a PEFT adapter folder',
    scope: 'read',
    answer: policyManifestSchema,
  })
  async policy(
    @Param('id', validName) id: string,
    @Query(new Valid(policyQuerySchema)) { step }: z.infer<typeof policyQuerySchema>,
  ): Promise<PolicyManifest> {
    return this.describePolicy.execute({ run: id, step });
  }

  @Get(':id/verify')
  @Operation('verifyRun', {
    summary:
      'Recomputes the chain of step digests from the rows of the ledger; names what was altered, lost or swapped',
    scope: 'read',
    answer: verificationSchema,
  })
  async verify(@Param('id', validName) id: string): Promise<Verification> {
    return this.verifyRun.execute(id);
  }
}
