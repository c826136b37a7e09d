import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type EngineKind, type RunConfig, type RunView } from '@solopo/contracts';
import { APPS, functionOf, queuesOf, STAGE_KINDS, type App, type FunctionSpec } from '@solopo/functions';
import { Ledger } from '@solopo/ledger';
import { CONFIG } from '@solopo/platform';
import { settingsOf } from '@solopo/sampling-server';
import { startRun } from '@solopo/workflow';
import type { GatewayConfig } from '../gateway.config.ts';

@Injectable()
export class CreateRun {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  /** The run, its first stages and their jobs in the outbox: one transaction. */
  async execute(config: RunConfig): Promise<RunView> {
    this.#demandWorkers(config);
    if (config.sampler) settingsOf(this.config.samplers, config.sampler.url);
    await this.#demandRoom();
    const id = await this.ledger.transaction((tx) => startRun(tx, config, this.config.pools));
    return this.ledger.runs.view(id);
  }

  /** A run whose jobs nobody would take is not begun. */
  #demandWorkers({ engine }: RunConfig): void {
    const having = (app: App) => this.config.pools.filter((pool) => pool.app === app && pool.engines.includes(engine));
    const lacking = APPS.filter((app) => having(app).length === 0);
    if (lacking.length > 0) throw lacksEngine(engine, lacking);
    const unable = STAGE_KINDS.map(functionOf).filter(
      (spec) => spec.engine && !having(spec.app).some((pool) => queuesOf(spec, [engine], pool).length > 0),
    );
    if (unable.length > 0) throw lacksOneRank(engine, unable);
  }

  async #demandRoom(): Promise<void> {
    const { unpublished } = await this.ledger.outbox.backlog();
    if (unpublished < this.config.outboxLimit) return;
    throw new SolopoError('queue-full', `${unpublished} messages wait for the work queue; try again when it has room.`);
  }
}

function lacksEngine(engine: EngineKind, lacking: readonly App[]): SolopoError {
  const remedy =
    engine === 'torch'
      ? "run ./solopo engine add torch and start the system again (in a cluster: workers with it, told in the pool's engines), or set engine to onnx"
      : 'give a pool of theirs the engine onnx, or set engine to torch';
  return new SolopoError(
    'config-invalid',
    `engine is ${engine}, which no workers of ${lacking.join(', ')} have, so that the run would wait for ever; ${remedy}.`,
  );
}

function lacksOneRank(engine: EngineKind, unable: readonly FunctionSpec[]): SolopoError {
  const apps = [...new Set(unable.map(({ app }) => app))].join(', ');
  const names = unable.map(({ name }) => name).join(', ');
  return new SolopoError(
    'config-invalid',
    `engine is ${engine}, and all workers of ${apps} that have it compute over several ranks, which draw no answers (${names}), so that the run would wait for ever; give ${apps} a pool with ${engine} and one rank, or set engine to onnx.`,
  );
}
