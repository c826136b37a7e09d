import { Inject, Injectable } from '@nestjs/common';
import { SolopoError } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG, Health, LOGGER, Resources, type Logger } from '@solopo/platform';
import type { Request, Response } from 'express';
import { callerOf, type Caller } from '../access/caller.ts';
import type { GatewayConfig } from '../gateway.config.ts';

interface OpenStream {
  readonly caller: Caller;
  readonly ending: AbortController;
}

/** The streams that are open: how many there may be, and that each ends with the process, its client and its token. */
@Injectable()
export class OpenStreams {
  readonly #streams = new Set<OpenStream>();

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(CONFIG) private readonly config: GatewayConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Health) health: Health,
    @Inject(Resources) resources: Resources,
  ) {
    const timer = setInterval(() => void this.#endRefused(), config.tokenCheckMs);
    resources.defer('look at the tokens of streams', () => clearInterval(timer));
    health.onStop(() => this.#endAll());
  }

  /** Room for a stream, until its signal aborts. */
  open(request: Request, response: Response): AbortSignal {
    const caller = callerOf(request);
    this.#demandRoom(caller);
    const ending = new AbortController();
    if (response.destroyed) {
      ending.abort();
      return ending.signal;
    }
    const stream = { caller, ending };
    this.#streams.add(stream);
    response.once('close', () => {
      this.#streams.delete(stream);
      ending.abort();
    });
    return ending.signal;
  }

  #demandRoom({ key }: Caller): void {
    const { eventStreams, eventStreamsPerClient } = this.config;
    if (this.#streams.size >= eventStreams)
      throw new SolopoError(
        'streams-full',
        `All ${eventStreams} streams of events are in use; close some, or raise SOLOPO_EVENT_STREAMS.`,
      );
    const mine = [...this.#streams].filter(({ caller }) => caller.key === key).length;
    if (mine >= eventStreamsPerClient)
      throw new SolopoError(
        'too-many-streams',
        `This client has ${mine} streams of events open; close some, or raise SOLOPO_EVENT_STREAMS_PER_CLIENT.`,
      );
  }

  /** Tokens are revoked in the ledger, by whichever gateway: while it is away none is. */
  async #endRefused(): Promise<void> {
    const hashes = new Map<string, Buffer>();
    for (const { caller } of this.#streams)
      if (caller.tokenHash !== undefined) hashes.set(caller.key, caller.tokenHash);
    try {
      const refused = new Set(
        (await this.ledger.tokens.refused([...hashes.values()])).map((hash) => hash.toString('hex')),
      );
      for (const { caller, ending } of this.#streams) if (refused.has(caller.key)) ending.abort();
    } catch (error) {
      this.logger.debug({ error }, 'the tokens of open streams could not be looked at; they are again in a moment');
    }
  }

  #endAll(): void {
    for (const { ending } of this.#streams) ending.abort();
  }
}
