import { Inject, Injectable } from '@nestjs/common';
import { demandNats, NATS_CONNECTION, RpcClient, wantingWorker, type NatsConnection } from '@solopo/bus';
import { inspectionSchema, SolopoError, worldSize, type Inspection } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG } from '@solopo/platform';
import type { GatewayConfig } from '../gateway.config.ts';

interface Query {
  readonly run: string;
  readonly pair: string;
  /** Of a policy version, 0 for the base model; the latest when undefined. */
  readonly step: number | undefined;
}

@Injectable()
export class InspectPair {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(RpcClient) private readonly rpc: RpcClient,
    @Inject(NATS_CONNECTION) private readonly nats: NatsConnection,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  /** Computed by a reward worker, now. Whoever scales workers is told that one is wanted. */
  async execute({ run, pair, step }: Query): Promise<Inspection> {
    const { config } = await this.ledger.runs.require(run);
    if (config.engine === 'torch') this.#demandOneRank();
    const subject = config.engine === 'torch' ? 'reward.inspect.torch' : 'reward.inspect';
    const question = { run, pair, step: step ?? (await this.ledger.versions.list(run)).at(-1)?.step ?? 0 };
    await demandNats(this.nats);
    try {
      return await wantingWorker(this.nats, 'reward', async () =>
        inspectionSchema.parse(await this.rpc.call(subject, question, this.config.inspectionMs)),
      );
    } catch (error) {
      throw SolopoError.from(error).code === 'not-ready' ? nobody(error) : error;
    }
  }

  /** Ranks that share a model keep no attention of whole sequences. */
  #demandOneRank(): void {
    const torch = this.config.pools.filter(({ app, engines }) => app === 'reward' && engines.includes('torch'));
    if (torch.length === 0 || torch.some((pool) => worldSize(pool) === 1)) return;
    throw new SolopoError(
      'conflict',
      'All reward workers with PyTorch compute over several ranks, which inspect no pairs; have a pool of reward with torch and one rank besides, then look again.',
    );
  }
}

function nobody(cause: unknown): SolopoError {
  return new SolopoError(
    'not-ready',
    'No reward worker is up: they stop when there is no work. One was asked for; try again in a few seconds. Where nothing starts workers on demand, keep one up.',
    { cause },
  );
}
