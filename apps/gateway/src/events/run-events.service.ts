import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { EventBus, type SequencedEvent } from '@solopo/bus';
import { Health, LOGGER, Resources, type Logger } from '@solopo/platform';
import { concat, defer, filter, from, Subject, type Observable } from 'rxjs';

const KEPT_EVENTS = 50_000;
const PAUSE_MS = 1000;

/** One subscription to the events of all runs, fanned out to however many watch, with what was said before. */
@Injectable()
export class RunEvents implements OnApplicationBootstrap {
  readonly #stopping = new AbortController();
  readonly #live = new Subject<SequencedEvent>();
  #kept: SequencedEvent[] = [];
  #last: number | undefined;
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
    health.onStop(() => this.#stop());
    resources.defer('event subscription', () => {
      this.#stop();
      return this.#following;
    });
  }

  onApplicationBootstrap(): void {
    this.#following = this.#follow();
  }

  /**
   * A run's events later than `after`, in order and without gaps; ends when the process is to stop. `now` leaves out
   * what happened before, but for warnings: the ledger does not hold them.
   */
  watch(run: string, after: number | 'now'): Observable<SequencedEvent> {
    return this.watchAll(after).pipe(filter(({ event }) => event.run === run));
  }

  /** The same of all runs. */
  watchAll(after: number | 'now'): Observable<SequencedEvent> {
    const isWanted = ({ sequence, event }: SequencedEvent): boolean =>
      after === 'now' ? event.type === 'run.warning' : sequence > after;
    return defer(() => concat(from(this.#kept.filter(isWanted)), this.#live)).pipe(
      filter(({ sequence }) => after === 'now' || sequence > after),
    );
  }

  /** The latest of those still kept that are wanted, latest first. */
  recent(limit: number, isWanted: (event: SequencedEvent['event']) => boolean): readonly SequencedEvent[] {
    const found: SequencedEvent[] = [];
    for (let index = this.#kept.length - 1; index >= 0 && found.length < limit; index--) {
      const sequenced = this.#kept[index];
      if (sequenced !== undefined && isWanted(sequenced.event)) found.push(sequenced);
    }
    return found;
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
    const after = this.#last === undefined ? {} : { after: this.#last };
    for await (const event of this.bus.subscribe({ ...after, signal })) {
      this.#trouble = undefined;
      this.#last = event.sequence;
      this.#keep(event);
      this.#live.next(event);
    }
  }

  #keep(event: SequencedEvent): void {
    this.#kept.push(event);
    if (this.#kept.length > 2 * KEPT_EVENTS) this.#kept = this.#kept.slice(-KEPT_EVENTS);
  }

  #stop(): void {
    this.#stopping.abort();
    this.#live.complete();
  }
}
