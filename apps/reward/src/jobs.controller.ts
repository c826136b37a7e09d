import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { JETSTREAM, JobContext } from '@solopo/bus';
import type { Job } from '@solopo/contracts';
import { FUNCTIONS } from '@solopo/functions';
import { JobExecutor } from '@solopo/worker';
import { AlignPolicy } from './functions/align-policy.ts';
import { ScorePairs } from './functions/score-pairs.ts';

@Controller()
export class JobsController {
  constructor(
    @Inject(JobExecutor) private readonly jobs: JobExecutor,
    @Inject(ScorePairs) private readonly scorePairs: ScorePairs,
    @Inject(AlignPolicy) private readonly alignPolicy: AlignPolicy,
  ) {}

  @EventPattern<string>(FUNCTIONS.score.subject, JETSTREAM)
  score(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    return this.jobs.execute(job, context, this.scorePairs);
  }

  @EventPattern<string>(FUNCTIONS.align.subject, JETSTREAM)
  align(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    return this.jobs.execute(job, context, this.alignPolicy);
  }
}
