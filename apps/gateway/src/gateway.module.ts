import { Module, type MiddlewareConsumer, type NestModule, type Type } from '@nestjs/common';
import { json } from 'express';
import { AccessModule } from './access/access.module.ts';
import { TokensController } from './access/tokens.controller.ts';
import { CollectGarbage } from './artifacts/collect-garbage.use-case.ts';
import { ArtifactsController } from './artifacts/artifacts.controller.ts';
import { DashboardModule } from './dashboard/dashboard.module.ts';
import { DatasetsController } from './datasets/datasets.controller.ts';
import { ImportDataset } from './datasets/import-dataset.use-case.ts';
import { OpenStreams } from './events/open-streams.service.ts';
import { RunEvents } from './events/run-events.service.ts';
import { RunEventsController } from './events/run-events.controller.ts';
import { SlowBodies } from './http/slow-bodies.middleware.ts';
import { DeadLettersController } from './ledger/dead-letters.controller.ts';
import { LedgerController } from './ledger/ledger.controller.ts';
import { StoreMetrics } from './metrics/store.metrics.ts';
import { ModelsController } from './models/models.controller.ts';
import { RegisterModel } from './models/register-model.use-case.ts';
import { TextModels } from './models/text-models.ts';
import { openApiDocument } from './openapi/document.ts';
import { OPENAPI_DOCUMENT, OpenApiController } from './openapi/openapi.controller.ts';
import { QueueSweep } from './queues/queue-sweep.service.ts';
import { CancelRun } from './runs/cancel-run.use-case.ts';
import { CreateRun } from './runs/create-run.use-case.ts';
import { DescribePolicy } from './runs/describe-policy.use-case.ts';
import { ExportPairs } from './runs/export-pairs.use-case.ts';
import { InspectPair } from './runs/inspect-pair.use-case.ts';
import { ListPairs } from './runs/list-pairs.use-case.ts';
import { ListSlices } from './runs/list-slices.use-case.ts';
import { PlaceEvidence } from './runs/place-evidence.use-case.ts';
import { RunsController } from './runs/runs.controller.ts';
import { ShowPair } from './runs/show-pair.use-case.ts';
import { SigningKey } from './statements/signing-key.ts';
import { StateMerged } from './statements/state-merged.use-case.ts';
import { StatementsController } from './statements/statements.controller.ts';
import { DescribeSystem } from './system/describe-system.use-case.ts';
import { SystemController } from './system/system.controller.ts';
import { ReplaysController } from './verify/replays.controller.ts';
import { VerifyRun } from './verify/verify-run.use-case.ts';
import { Tracking } from './tracking/tracking.service.ts';
import { StoresModule } from './stores.module.ts';

/** The public API: each is in its document. */
export const API_CONTROLLERS: readonly Type[] = [
  ModelsController,
  DatasetsController,
  RunsController,
  ReplaysController,
  StatementsController,
  RunEventsController,
  ArtifactsController,
  LedgerController,
  DeadLettersController,
  SystemController,
  TokensController,
  OpenApiController,
];

const RUNS = [
  CreateRun,
  CancelRun,
  ListPairs,
  ListSlices,
  ShowPair,
  InspectPair,
  ExportPairs,
  DescribePolicy,
  PlaceEvidence,
  VerifyRun,
  SigningKey,
  StateMerged,
];

@Module({
  imports: [StoresModule, AccessModule, DashboardModule],
  controllers: [...API_CONTROLLERS],
  providers: [
    RegisterModel,
    TextModels,
    ImportDataset,
    CollectGarbage,
    ...RUNS,
    DescribeSystem,
    RunEvents,
    OpenStreams,
    StoreMetrics,
    Tracking,
    QueueSweep,
    { provide: OPENAPI_DOCUMENT, useFactory: () => openApiDocument(API_CONTROLLERS) },
  ],
})
export class GatewayModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(SlowBodies).forRoutes('{*path}');
    consumer
      .apply(json({ limit: '1mb' }))
      .forRoutes(
        'v1/artifacts/gc',
        ModelsController,
        RunsController,
        ReplaysController,
        StatementsController,
        TokensController,
      );
  }
}
