import { Global, Module } from '@nestjs/common';
import { ArtifactStore, openArtifacts } from '@solopo/artifacts';
import { BusModule } from '@solopo/bus';
import { Ledger, SCHEMA_VERSION } from '@solopo/ledger';
import {
  CONFIG,
  connectionMetrics,
  Health,
  LOGGER,
  Metrics,
  queryMetrics,
  Resources,
  type Logger,
} from '@solopo/platform';
import type { GatewayConfig } from './gateway.config.ts';

@Global()
@Module({
  imports: [
    BusModule.forRootAsync({
      inject: [CONFIG, Ledger],
      useFactory: ({ natsUrl }: GatewayConfig, ledger: Ledger) => ({ url: natsUrl, name: 'gateway', outbox: ledger }),
    }),
  ],
  providers: [
    { provide: Ledger, inject: [CONFIG, LOGGER, Health, Metrics, Resources], useFactory: openLedger },
    {
      provide: ArtifactStore,
      inject: [CONFIG, Health],
      useFactory: openStore,
    },
  ],
  exports: [Ledger, ArtifactStore],
})
export class StoresModule {}

async function openStore(config: GatewayConfig, health: Health): Promise<ArtifactStore> {
  const artifacts = await openArtifacts(config);
  health.tell('artifacts', () => artifacts.describe());
  health.watch('artifacts', () => artifacts.demandRoom());
  return artifacts;
}

function openLedger(
  { databaseUrl, databaseDirectHost, databaseLimitMs }: GatewayConfig,
  logger: Logger,
  health: Health,
  metrics: Metrics,
  resources: Resources,
): Ledger {
  const ledger = Ledger.open(databaseUrl, {
    directHost: databaseDirectHost,
    limitMs: databaseLimitMs,
    onError: (error) => logger.warn({ error }, 'a database connection broke'),
    onQuery: queryMetrics(metrics),
  });
  resources.defer('ledger', () => ledger.close());
  connectionMetrics(metrics, ledger);
  health.register('postgres', () => ledger.ping());
  health.register('schema', async () => {
    const version = await ledger.schemaVersion();
    if (version !== SCHEMA_VERSION)
      throw new Error(`is ${version ?? 'empty'}, not ${SCHEMA_VERSION}; run the migrator`);
  });
  return ledger;
}
