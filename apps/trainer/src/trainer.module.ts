import { Module } from '@nestjs/common';
import { WorkerModule } from '@solopo/worker';
import { ReplaySlice } from './functions/replay-slice.ts';
import { TrainSlice } from './functions/train-slice.ts';
import { JobsController } from './jobs.controller.ts';
import { ReferenceScores } from './reference-scores.ts';
import { SliceTaker } from './slice-taker.ts';
import { TrainingMetrics } from './training.metrics.ts';

@Module({
  imports: [WorkerModule.forRoot('trainer')],
  controllers: [JobsController],
  providers: [TrainSlice, ReplaySlice, SliceTaker, ReferenceScores, TrainingMetrics],
})
export class TrainerModule {}
