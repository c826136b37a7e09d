import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNats, provisionStreams, type NatsConnection } from '@solopo/bus';
import { Ledger } from '@solopo/ledger';
import { createLogger, startService, type Service } from '@solopo/platform';
import { startNats, startPostgres, type TestNats } from '@solopo/testing';
import { afterAll, beforeAll } from 'vitest';
import { gatewayConfigSchema, type GatewayConfig } from '../gateway.config.ts';
import { gateway } from '../gateway.service.ts';

export interface GatewayFixture {
  readonly url: string;
  readonly config: GatewayConfig;
  readonly ledger: Ledger;
  readonly nats: TestNats;
  readonly connection: NatsConnection;
  readonly app: Service['app'];
  restart(): Promise<void>;
  /** For good. */
  stopPostgres(): Promise<void>;
}

/** The real gateway over a real Postgres and a real nats-server of their own, for all tests of a file. */
export function useGateway(settings: Partial<GatewayConfig> = {}): GatewayFixture {
  const fixture = {} as { -readonly [K in keyof GatewayFixture]: GatewayFixture[K] };
  const cleanup: (() => Promise<unknown>)[] = [];
  let service: Service;

  const start = async (): Promise<void> => {
    service = await startService({ ...gateway(fixture.config), logger: createLogger('gateway', 'fatal') });
    fixture.url = service.url;
    fixture.app = service.app;
  };

  beforeAll(async () => {
    const [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
    const artifacts = await mkdtemp(join(tmpdir(), 'solopo-artifacts-'));
    const databaseUrl = await postgres.createDatabase();
    const ledger = Ledger.open(databaseUrl);
    await ledger.migrate();
    const connection = await connectNats(nats.url, 'test');
    await provisionStreams(connection);
    const config = { ...gatewayConfigSchema.parse({ databaseUrl, natsUrl: nats.url, artifacts }), ...settings };
    cleanup.push(
      () => connection.close(),
      () => ledger.close(),
      () => Promise.all([postgres.stop(), nats.stop()]),
      () => rm(artifacts, { recursive: true }),
    );
    Object.assign(fixture, { config, ledger, nats, connection });
    fixture.stopPostgres = () => postgres.stop();
    fixture.restart = async () => {
      await service.close();
      await start();
    };
    await start();
  });

  afterAll(async () => {
    await service.close();
    for (const step of cleanup) await step();
  });

  return fixture;
}
