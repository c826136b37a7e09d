import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type RunConfig, type RunView } from '@solopo/contracts';
import { APPS } from '@solopo/functions';
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
    const id = await this.ledger.transaction((tx) => startRun(tx, config));
    return this.ledger.runs.view(id);
  }

  /** A run whose jobs nobody would take is not begun. */
  #demandWorkers({ engine }: RunConfig): void {
    const lacking = APPS.filter(
      (app) => !this.config.pools.some((pool) => pool.app === app && pool.engines.includes(engine)),
    );
    if (lacking.length === 0) return;
    const remedy =
      engine === 'torch'
        ? "run ./solopo engine add torch and start the system again (in a cluster: workers with it, told in the pool's engines), or set engine to onnx"
        : 'give a pool of theirs the engine onnx, or set engine to torch';
    throw new SolopoError(
      'config-invalid',
      `engine is ${engine}, which no workers of ${lacking.join(', ')} have, so that the run would wait for ever; ${remedy}.`,
    );
  }

  async #demandRoom(): Promise<void> {
    const { unpublished } = await this.ledger.outbox.backlog();
    if (unpublished < this.config.outboxLimit) return;
    throw new SolopoError('queue-full', `${unpublished} messages wait for the work queue; try again when it has room.`);
  }
}
