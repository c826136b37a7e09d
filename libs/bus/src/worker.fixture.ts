import { Controller, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import type { Job } from '@solopo/contracts';
import type { FunctionSpec } from '@solopo/functions';
import type { NatsConnection } from './connection.ts';
import { JETSTREAM, JetStreamStrategy } from './jetstream.strategy.ts';
import type { JobContext } from './job.context.ts';
import type { DeadLetter, JobHandler, JobReport } from './job.runner.ts';
import { RethrowFilter } from './rethrow.filter.ts';

export const SUBJECT = 'jobs.datagen.compose';

/** The manifest's function with the patience of a test. */
export function testFunction(settings: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    name: 'compose',
    app: 'datagen',
    subject: SUBJECT,
    concurrency: 1,
    ackWaitMs: 2000,
    timeLimitMs: 10_000,
    sliceMs: 10_000,
    maxAttempts: 3,
    retryDelayMs: 100,
    device: 'cpu',
    sequential: false,
    scale: { min: 0, max: 1, idleMs: 1000 },
    ...settings,
  };
}

export interface WorkerOptions {
  readonly functions?: readonly FunctionSpec[];
  readonly onDeadLetter?: (letter: DeadLetter) => Promise<void>;
  readonly report?: (report: JobReport) => void;
  readonly graceMs?: number;
}

/** A process's worth of worker: Nest, the strategy, and one handler. */
export async function startWorker(
  connection: NatsConnection,
  handle: JobHandler,
  options: WorkerOptions = {},
): Promise<INestMicroservice> {
  @Controller()
  class JobController {
    @EventPattern<string>(SUBJECT, JETSTREAM)
    async execute(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
      await handle(job, context);
    }
  }

  @Module({ controllers: [JobController] })
  class WorkerModule {}

  const strategy = new JetStreamStrategy(connection, {
    functions: [testFunction()],
    onDeadLetter: () => Promise.resolve(),
    ...options,
  });
  const worker = await NestFactory.createMicroservice(WorkerModule, { strategy, logger: false, abortOnError: false });
  worker.useGlobalFilters(new RethrowFilter());
  await worker.listen();
  return worker;
}
