import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { JETSTREAM, JobContext } from '@solopo/bus';
import type { Job } from '@solopo/contracts';
import { FUNCTIONS } from '@solopo/functions';
import { JobExecutor } from '@solopo/worker';
import { ReplaySlice } from './functions/replay-slice.ts';
import { TrainSlice } from './functions/train-slice.ts';

@Controller()
export class JobsController {
  constructor(
    @Inject(JobExecutor) private readonly jobs: JobExecutor,
    @Inject(TrainSlice) private readonly trainSlice: TrainSlice,
    @Inject(ReplaySlice) private readonly replaySlice: ReplaySlice,
  ) {}

  @EventPattern<string>(FUNCTIONS.train.subject, JETSTREAM)
  train(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    return this.jobs.execute(job, context, this.trainSlice);
  }

  @EventPattern<string>(FUNCTIONS.replay.subject, JETSTREAM)
  replay(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    return this.jobs.execute(job, context, this.replaySlice);
  }
}
