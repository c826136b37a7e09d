import { Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { json } from 'express';
import { ArtifactsController } from './artifacts/artifacts.controller.ts';
import { DatasetsController } from './datasets/datasets.controller.ts';
import { ImportDataset } from './datasets/import-dataset.use-case.ts';
import { RunEvents } from './events/run-events.service.ts';
import { RunEventsController } from './events/run-events.controller.ts';
import { DeadLettersController } from './ledger/dead-letters.controller.ts';
import { LedgerController } from './ledger/ledger.controller.ts';
import { ModelsController } from './models/models.controller.ts';
import { RegisterModel } from './models/register-model.use-case.ts';
import { CancelRun } from './runs/cancel-run.use-case.ts';
import { CreateRun } from './runs/create-run.use-case.ts';
import { ListPairs } from './runs/list-pairs.use-case.ts';
import { RunsController } from './runs/runs.controller.ts';
import { StoresModule } from './stores.module.ts';

@Module({
  imports: [StoresModule],
  controllers: [
    ArtifactsController,
    ModelsController,
    DatasetsController,
    RunsController,
    RunEventsController,
    LedgerController,
    DeadLettersController,
  ],
  providers: [RegisterModel, ImportDataset, CreateRun, CancelRun, ListPairs, RunEvents],
})
export class GatewayModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(json({ limit: '1mb' })).forRoutes(ModelsController, RunsController);
  }
}
