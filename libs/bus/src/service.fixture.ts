import { Controller, Global, Inject, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { SolopoError, type Job } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG, Resources, startService, type Service } from '@solopo/platform';
import { BusModule } from './bus.module.ts';
import { JETSTREAM } from './jetstream.strategy.ts';
import type { JobContext } from './job.context.ts';
import type { DeadLetter } from './job.runner.ts';
import { connectJobs } from './jobs.ts';
import { connectRpc } from './rpc.ts';
import { SUBJECT, testFunction } from './worker.fixture.ts';

interface FixtureConfig {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly httpHost: string;
  readonly httpPort: number;
  readonly logLevel: 'silent';
}

@Controller()
class FixtureController {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  @EventPattern<string>(SUBJECT, JETSTREAM)
  async execute(@Payload() job: Job, @Ctx() context: JobContext): Promise<void> {
    context.begins(1);
    if (job.id === 'bad') throw new SolopoError('model-invalid', 'The model is no model; register another.');
    const message = {
      subject: 'dead.proof',
      messageId: `proof-${job.id}`,
      payload: { job: job.id, attempt: context.attempt },
    };
    await this.ledger.transaction((tx) => tx.outbox.add([message]));
  }

  @MessagePattern('fixture.double', Transport.NATS)
  double(@Payload() question: { readonly n: number }): { readonly n: number } {
    if (question.n < 0)
      throw new SolopoError('input-invalid', 'n is negative; give a positive one.', { details: { n: question.n } });
    return { n: question.n * 2 };
  }

  @MessagePattern('fixture.never', Transport.NATS)
  never(): Promise<never> {
    return new Promise(() => undefined);
  }
}

@Global()
@Module({
  providers: [
    {
      provide: Ledger,
      inject: [CONFIG, Resources],
      useFactory: (config: FixtureConfig, resources: Resources) => {
        const ledger = Ledger.open(config.databaseUrl);
        resources.defer('ledger', () => ledger.close());
        return ledger;
      },
    },
  ],
  exports: [Ledger],
})
class LedgerModule {}

@Module({
  imports: [
    LedgerModule,
    BusModule.forRootAsync({
      inject: [CONFIG, Ledger],
      useFactory: (config: FixtureConfig, ledger: Ledger) => ({ url: config.natsUrl, name: 'fixture', outbox: ledger }),
    }),
  ],
  controllers: [FixtureController],
})
class FixtureModule {}

/** A whole service: HTTP, jobs, questions, relay. */
export function startFixtureService(
  databaseUrl: string,
  natsUrl: string,
  onDeadLetter: (letter: DeadLetter) => void,
): Promise<Service> {
  const config: FixtureConfig = { databaseUrl, natsUrl, httpHost: '127.0.0.1', httpPort: 0, logLevel: 'silent' };
  return startService({
    name: 'fixture',
    module: FixtureModule,
    config,
    configure: (app) => {
      connectJobs(app, {
        functions: [testFunction()],
        onDeadLetter: (letter) => Promise.resolve(onDeadLetter(letter)),
      });
      connectRpc(app, natsUrl, 'fixture');
    },
  });
}
