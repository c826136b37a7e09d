import { Global, Module, type DynamicModule } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { BusModule } from '@solopo/bus';
import { Engine } from '@solopo/engine';
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
import { engineMetrics } from './engine.metrics.ts';
import { JobExecutor } from './job.executor.ts';
import { ModelFiles } from './model.files.ts';
import type { WorkerConfig } from './worker.config.ts';

const PROVIDED = [Ledger, ArtifactStore, Engine, ModelFiles, JobExecutor];

/** What every worker stands on: ledger, artifacts, bus and numeric engine. */
@Global()
@Module({})
export class WorkerModule {
  static forRoot(name: string): DynamicModule {
    return {
      module: WorkerModule,
      imports: [
        BusModule.forRootAsync({
          inject: [CONFIG, Ledger],
          useFactory: ({ natsUrl }: WorkerConfig, ledger: Ledger) => ({ url: natsUrl, name, outbox: ledger }),
        }),
      ],
      providers: [
        { provide: Ledger, inject: [CONFIG, LOGGER, Health, Metrics, Resources], useFactory: openLedger },
        {
          provide: ArtifactStore,
          inject: [CONFIG],
          useFactory: ({ artifacts }: WorkerConfig) => ArtifactStore.open(artifacts),
        },
        {
          provide: Engine,
          inject: [CONFIG, Metrics, Resources],
          useFactory: ({ threads, otlpUrl }: WorkerConfig, metrics: Metrics, resources: Resources) => {
            const engine = new Engine({ threads, otlpUrl, ...engineMetrics(metrics, name) });
            resources.defer('engine', () => engine.close());
            return engine;
          },
        },
        ModelFiles,
        JobExecutor,
      ],
      exports: PROVIDED,
    };
  }
}

function openLedger(
  { databaseUrl }: WorkerConfig,
  logger: Logger,
  health: Health,
  metrics: Metrics,
  resources: Resources,
): Ledger {
  const ledger = Ledger.open(databaseUrl, {
    onError: (error) => logger.warn({ error }, 'a database connection broke'),
    onQuery: queryMetrics(metrics),
  });
  resources.defer('ledger', () => ledger.close());
  connectionMetrics(metrics, ledger);
  health.register('ledger', async () => {
    const version = await ledger.schemaVersion();
    if (version !== SCHEMA_VERSION)
      throw new Error(`the schema is ${version ?? 'empty'}, this program needs ${SCHEMA_VERSION}; run the migrator`);
  });
  return ledger;
}
