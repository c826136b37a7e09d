import { Controller, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import type { Job } from '@solopo/contracts';
import type { FunctionSpec } from '@solopo/functions';
import type { NatsConnection } from './connection.ts';
import { JETSTREAM, JetStreamStrategy } from './jetstream.strategy.ts';
import { JobHeld, type JobContext } from './job.context.ts';
import type { DeadLetter, JobHandler, JobReport } from './job.runner.ts';
import { RethrowFilter } from './rethrow.filter.ts';
import { isOutage } from '@solopo/platform';

export const SUBJECT = 'jobs.datagen.compose';

/** The manifest's function with the patience of a test. */
export function testFunction(settings: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    name: 'compose',
    app: 'datagen',
    subject: SUBJECT,
    engine: false,
    overRanks: false,
    priority: 0,
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
  /** Subjects that have a handler. */
  readonly handles?: readonly string[];
  readonly onDeadLetter?: (letter: DeadLetter) => Promise<void>;
  readonly report?: (report: JobReport) => void;
  readonly graceMs?: number;
}

/** Executions that each job is to blame for: a fake of the ledger, for the workers of one process. */
const blamed = new Map<string, number>();

function counted(handle: JobHandler): JobHandler {
  return async (job, context) => {
    const attempt = (blamed.get(job.id) ?? 0) + 1;
    context.begins(attempt);
    blamed.set(job.id, attempt);
    try {
      await handle(job, context);
    } catch (error) {
      if (isOutage(error) || error instanceof JobHeld) blamed.set(job.id, attempt - 1);
      throw error;
    }
  };
}

/** A process's worth of worker: Nest, the strategy, and one handler for all its functions. */
export async function startWorker(
  connection: NatsConnection,
  handle: JobHandler,
  { functions = [testFunction()], handles = [SUBJECT], ...options }: WorkerOptions = {},
): Promise<INestMicroservice> {
  const execute = counted(handle);

  @Controller()
  class JobController {
    @EventPattern<string | readonly string[]>(handles, JETSTREAM)
    async execute(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
      await execute(job, context);
    }
  }

  @Module({ controllers: [JobController] })
  class WorkerModule {}

  const strategy = new JetStreamStrategy(connection, { functions, onDeadLetter: () => Promise.resolve(), ...options });
  const worker = await NestFactory.createMicroservice(WorkerModule, { strategy, logger: false, abortOnError: false });
  worker.useGlobalFilters(new RethrowFilter());
  await worker.listen();
  return worker;
}
