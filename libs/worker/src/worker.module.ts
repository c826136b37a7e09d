import { Global, Module, type DynamicModule } from '@nestjs/common';
import { ArtifactStore, openArtifacts } from '@solopo/artifacts';
import { BusModule } from '@solopo/bus';
import type { DeviceChoice } from '@solopo/contracts';
import { Engine, type EngineState } from '@solopo/engine';
import { Ledger, SCHEMA_VERSION } from '@solopo/ledger';
import type { App } from '@solopo/functions';
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
import { engineOptions } from './engine.options.ts';
import { JobExecutor, WORKER_ID } from './job.executor.ts';
import { ModelFiles } from './model.files.ts';
import type { WorkerConfig } from './worker.config.ts';

const PROVIDED = [Ledger, ArtifactStore, Engine, ModelFiles, JobExecutor];

/** What every worker stands on: ledger, artifacts, bus and numeric engine. */
@Global()
@Module({})
export class WorkerModule {
  static forRoot(name: App): DynamicModule {
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
          inject: [CONFIG, Health],
          useFactory: openStore,
        },
        {
          provide: Engine,
          inject: [CONFIG, Ledger, LOGGER, Health, Metrics, Resources],
          useFactory: startEngine(name),
        },
        ModelFiles,
        JobExecutor,
      ],
      exports: PROVIDED,
    };
  }
}

async function openStore(config: WorkerConfig, health: Health): Promise<ArtifactStore> {
  const artifacts = await openArtifacts(config);
  health.tell('artifacts', () => artifacts.describe());
  health.watch('artifacts', () => artifacts.demandRoom());
  return artifacts;
}

function openLedger(
  { databaseUrl, databaseDirectHost, databaseLimitMs }: WorkerConfig,
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
  health.register('ledger', async () => {
    const version = await ledger.schemaVersion();
    if (version !== SCHEMA_VERSION)
      throw new Error(`the schema is ${version ?? 'empty'}, this program needs ${SCHEMA_VERSION}; run the migrator`);
  });
  return ledger;
}

/** The engine of an app, which tells its device: once in the log; in health, metrics and the ledger. */
function startEngine(app: App) {
  return (
    config: WorkerConfig,
    ledger: Ledger,
    logger: Logger,
    health: Health,
    metrics: Metrics,
    resources: Resources,
  ): Engine => {
    const chosen = metrics.gauge({ name: 'solopo_device', help: 'Where the engine computes', labels: ['device'] });
    const allocated = metrics.gauge({ name: 'solopo_device_allocated_bytes', help: 'What lies on the device' });
    const memory = metrics.gauge({
      name: 'solopo_device_memory_bytes',
      help: "The device's memory, where it is known",
    });
    const options = engineOptions(app, config);
    let told: number | undefined;
    const engine: Engine = new Engine({
      ...options,
      ...engineMetrics(metrics, app),
      onHello: ({ versions }) => logger.info({ ...versions }, 'the torch engine is up'),
      onLog: (line) => logger.info({ engine: 'torch' }, line),
      onState: (state) => {
        chosen.set({ device: state.device }, 1);
        allocated.set(state.allocatedBytes);
        if (state.memoryBytes !== null) memory.set(state.memoryBytes);
        // For the dashboard alone; the next task tells again.
        ledger.workerDevices
          .tell(WORKER_ID, state)
          .catch((error: unknown) => logger.warn({ error }, 'the device could not be told to the ledger'));
        if (told === engine.pid) return;
        told = engine.pid;
        const { name, memoryBytes, reason } = state;
        logger.info({ device: state.device, name, memoryBytes, reason }, `computing on ${state.device}: ${reason}`);
      },
    });
    health.tell('device', () => describeDevice(options.device, engine.state));
    resources.defer('engine', () => engine.close());
    return engine;
  };
}

function describeDevice(asked: DeviceChoice, state: EngineState | undefined): string {
  if (!state) return `${asked} (no work yet)`;
  const { device, name, reason, allocatedBytes, memoryBytes } = state;
  const of = memoryBytes === null ? '' : ` of ${Math.round(memoryBytes / 1e6)} MB`;
  const held = device === 'cpu' ? '' : `; ${Math.round(allocatedBytes / 1e6)} MB${of} in use`;
  return `${device}${name === null ? '' : `, ${name}`}: ${reason}${held}`;
}
