import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { EventBus, type SequencedEvent } from '@solopo/bus';
import type { RunEvent } from '@solopo/contracts';
import { Health, LOGGER, Resources, type Logger } from '@solopo/platform';
import { EventLog, type EventReader, type EventStart } from './event-log.ts';

const KEPT_EVENTS = 50_000;
const PAUSE_MS = 1000;

/** One subscription to the events of all runs, read by however many watch, with what was said before. */
@Injectable()
export class RunEvents implements OnApplicationBootstrap {
  readonly #stopping = new AbortController();
  readonly #log = new EventLog(KEPT_EVENTS);
  readonly #opened = Promise.withResolvers<void>();
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

  /** Events in order and without gaps, as far as they are kept. Waits for the stream, and no longer than the signal allows. */
  async read(start: EventStart, signal: AbortSignal): Promise<EventReader> {
    if (!signal.aborted) await Promise.race([this.#opened.promise, once(signal, 'abort')]);
    return this.#log.read(start);
  }

  /** The latest of those still kept that are wanted, latest first. */
  recent(limit: number, isWanted: (event: Pick<RunEvent, 'run' | 'type'>) => boolean): readonly SequencedEvent[] {
    return this.#log.recent(limit, isWanted);
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
    const { heard } = this.#log;
    const { last, goesOn, events } = await this.bus.open({ after: heard, signal });
    if (!goesOn && heard !== undefined)
      this.logger.warn('the stream of events was lost; who follows it reads the ledger again');
    this.#log.begin(last, goesOn);
    this.#trouble = undefined;
    this.#opened.resolve();
    for await (const event of events) this.#log.add(event);
  }
}
