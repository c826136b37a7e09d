import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type RunConfig, type RunView } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG } from '@solopo/platform';
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
    await this.#demandRoom();
    const id = await this.ledger.transaction((tx) => startRun(tx, config));
    return this.ledger.runs.view(id);
  }

  async #demandRoom(): Promise<void> {
    const { unpublished } = await this.ledger.outbox.backlog();
    if (unpublished < this.config.outboxLimit) return;
    throw new SolopoError('queue-full', `${unpublished} messages wait for the work queue; try again when it has room.`);
  }
}
