import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { EventBus, type SequencedEvent } from '@solopo/bus';
import type { RunEvent } from '@solopo/contracts';
import { Health, LOGGER, Resources, type Logger } from '@solopo/platform';
import { EventLog, type EventPlace, type EventReader } from './event-log.ts';

const KEPT_EVENTS = 50_000;
const PAUSE_MS = 1000;

/** One subscription to the events of all runs, read by however many watch, with what was said before. */
@Injectable()
export class RunEvents implements OnApplicationBootstrap {
  readonly #stopping = new AbortController();
  readonly #log = new EventLog(KEPT_EVENTS);
  #following = Promise.resolve();
  #trouble: Error | undefined;

  constructor(
    @Inject(EventBus) private readonly bus: EventBus,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Health) health: Health,
    @Inject(Resources) resources: Resources,
  ) {
    health.register('events', () => {
      if (this.#trouble !== undefined) throw this.#trouble;
    });
    health.onStop(() => this.#stopping.abort());
    resources.defer('event subscription', () => {
      this.#stopping.abort();
      return this.#following;
    });
  }

  onApplicationBootstrap(): void {
    this.#following = this.#follow();
  }

  /** Events in order and without gaps, as far as they are kept. */
  async read({ after, run }: EventPlace): Promise<EventReader> {
    const isAhead = after !== 'now' && after > (this.#log.last ?? 0);
    return this.#log.read({ after: isAhead && (await this.#isOfLostStream(after)) ? 0 : after, run });
  }

  /** The latest of those still kept that are wanted, latest first. */
  recent(limit: number, isWanted: (event: Pick<RunEvent, 'run' | 'type'>) => boolean): readonly SequencedEvent[] {
    return this.#log.recent(limit, isWanted);
  }

  /** A place that the server's stream has not reached is of one that it has lost; else this process has not heard of it yet. */
  async #isOfLostStream(sequence: number): Promise<boolean> {
    return this.bus.lastSequence().then(
      (last) => sequence > last,
      () => false,
    );
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#drain(signal);
      } catch (error) {
        this.#trouble = error as Error;
        this.logger.warn({ error }, 'the events cannot be followed; trying again');
      }
      await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #drain(signal: AbortSignal): Promise<void> {
    const { last } = this.#log;
    for await (const event of this.bus.subscribe({ ...(last !== undefined && { after: last }), signal })) {
      this.#trouble = undefined;
      this.#log.add(event);
    }
  }
}
