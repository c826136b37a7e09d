import { Global, Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { Health, Resources } from '@solopo/platform';
import { connectNats, type NatsConnection } from './connection.ts';
import { EventBus } from './event.bus.ts';
import { HeldJobs } from './held.jobs.ts';
import { OutboxRelay, type OutboxStore } from './outbox.relay.ts';
import { QueueStats } from './queue.stats.ts';
import { RpcClient } from './rpc.client.ts';

/** The process's connection to NATS. */
export const NATS_CONNECTION = Symbol('solopo.nats');

const OPTIONS = Symbol('solopo.bus.options');

export interface BusOptions {
  readonly url: string;
  /** The service, as the server's monitoring shows it. */
  readonly name: string;
  readonly outbox: OutboxStore;
}

/** Connection, events, questions to other services, and a relay that runs for as long as the process does. */
@Global()
@Module({})
export class BusModule {
  static forRootAsync(options: Pick<FactoryProvider<BusOptions>, 'inject' | 'useFactory'>): DynamicModule {
    return {
      module: BusModule,
      providers: [
        { provide: OPTIONS, ...options },
        { provide: NATS_CONNECTION, inject: [OPTIONS, Health, Resources], useFactory: openConnection },
        {
          provide: EventBus,
          inject: [NATS_CONNECTION],
          useFactory: (connection: NatsConnection) => new EventBus(connection),
        },
        {
          provide: QueueStats,
          inject: [NATS_CONNECTION],
          useFactory: (connection: NatsConnection) => new QueueStats(connection),
        },
        {
          provide: HeldJobs,
          inject: [NATS_CONNECTION],
          useFactory: (connection: NatsConnection) => new HeldJobs(connection),
        },
        { provide: RpcClient, inject: [OPTIONS, Resources], useFactory: openRpcClient },
        { provide: OutboxRelay, inject: [NATS_CONNECTION, OPTIONS, Resources], useFactory: startRelay },
      ],
      exports: [NATS_CONNECTION, EventBus, QueueStats, HeldJobs, RpcClient, OutboxRelay],
    };
  }
}

async function openConnection(options: BusOptions, health: Health, resources: Resources): Promise<NatsConnection> {
  const connection = await connectNats(options.url, options.name);
  resources.defer('NATS', () => connection.close());
  health.register('nats', async () => void (await connection.rtt()));
  void connection.closed().then((error) => {
    if (error instanceof Error) throw error;
  });
  return connection;
}

function openRpcClient(options: BusOptions, resources: Resources): RpcClient {
  const client = new RpcClient(options.url, options.name);
  resources.defer('RPC client', () => client.close());
  return client;
}

function startRelay(connection: NatsConnection, options: BusOptions, resources: Resources): OutboxRelay {
  const relay = new OutboxRelay(connection, options.outbox);
  relay.start();
  resources.defer('outbox relay', () => relay.stop());
  return relay;
}
