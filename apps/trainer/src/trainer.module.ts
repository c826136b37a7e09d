import { Module } from '@nestjs/common';
import { WorkerModule } from '@solopo/worker';
import { TrainSlice } from './functions/train-slice.ts';
import { JobsController } from './jobs.controller.ts';
import { ReferenceScores } from './reference-scores.ts';

@Module({
  imports: [WorkerModule.forRoot('trainer')],
  controllers: [JobsController],
  providers: [TrainSlice, ReferenceScores],
})
export class TrainerModule {}
