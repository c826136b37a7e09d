import { Controller, Inject, Module } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { connectJobs, JETSTREAM, JobContext, type JobReport } from '@solopo/bus';
import type { Job } from '@solopo/contracts';
import { FUNCTIONS, type FunctionSpec } from '@solopo/functions';
import { Ledger } from '@solopo/ledger';
import { startService, type Service } from '@solopo/platform';
import { buryJob } from './bury-job.ts';
import { JobExecutor } from './job.executor.ts';
import type { Effects, JobFunction } from './job.function.ts';
import { workerConfigSchema } from './worker.config.ts';
import { WorkerModule } from './worker.module.ts';

/** What composes contexts, with the patience of a test. */
export const SPEC: FunctionSpec = { ...FUNCTIONS.compose, ackWaitMs: 1200, retryDelayMs: 50 };

export const NOTHING: Effects = { result: {}, write: () => Promise.resolve() };

export interface LeaseWorkerOptions {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly artifacts: string;
  readonly work: JobFunction<'compose'>;
  readonly report?: (report: JobReport) => void;
}

/** A whole worker whose one function is a stub. */
export function startLeaseWorker({ work, report, ...settings }: LeaseWorkerOptions): Promise<Service> {
  @Controller()
  class StubController {
    constructor(@Inject(JobExecutor) private readonly jobs: JobExecutor) {}

    @EventPattern<string>(SPEC.subject, JETSTREAM)
    compose(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
      return this.jobs.execute(job, context, work);
    }
  }

  @Module({ imports: [WorkerModule.forRoot('datagen')], controllers: [StubController] })
  class StubModule {}

  return startService({
    name: 'stub',
    module: StubModule,
    config: workerConfigSchema.parse({ ...settings, httpPort: 0, logLevel: 'silent' }),
    configure: (app) => {
      const ledger = app.get(Ledger);
      connectJobs(app, {
        functions: [SPEC],
        onDeadLetter: (letter) => buryJob(ledger, letter),
        ...(report ? { report } : {}),
      });
    },
  });
}
