import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { JETSTREAM, JobContext } from '@solopo/bus';
import type { Job } from '@solopo/contracts';
import { FUNCTIONS } from '@solopo/functions';
import { JobExecutor } from '@solopo/worker';
import { ComposeContexts } from './functions/compose-contexts.ts';
import { EvaluatePolicy } from './functions/evaluate-policy.ts';
import { PairResponses } from './functions/pair-responses.ts';
import { SampleResponses } from './functions/sample-responses.ts';

@Controller()
export class JobsController {
  constructor(
    @Inject(JobExecutor) private readonly jobs: JobExecutor,
    @Inject(ComposeContexts) private readonly composeContexts: ComposeContexts,
    @Inject(SampleResponses) private readonly sampleResponses: SampleResponses,
    @Inject(PairResponses) private readonly pairResponses: PairResponses,
    @Inject(EvaluatePolicy) private readonly evaluatePolicy: EvaluatePolicy,
  ) {}

  @EventPattern<string>(FUNCTIONS.compose.subject, JETSTREAM)
  compose(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    return this.jobs.execute(job, context, this.composeContexts);
  }

  @EventPattern<string>(FUNCTIONS.sample.subject, JETSTREAM)
  sample(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    return this.jobs.execute(job, context, this.sampleResponses);
  }

  @EventPattern<string>(FUNCTIONS.pair.subject, JETSTREAM)
  pair(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    return this.jobs.execute(job, context, this.pairResponses);
  }

  @EventPattern<string>(FUNCTIONS.evaluate.subject, JETSTREAM)
  evaluate(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    return this.jobs.execute(job, context, this.evaluatePolicy);
  }
}
