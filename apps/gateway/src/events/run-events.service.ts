import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { EventBus, type EventPlace, type SequencedEvent } from '@solopo/bus';
import { Health, LOGGER, Resources, type Logger } from '@solopo/platform';
import { concat, defer, EMPTY, filter, from, of, Subject, switchMap, type Observable } from 'rxjs';
import type { AskedPlace } from './event-id.ts';

const KEPT_EVENTS = 50_000;
const PAUSE_MS = 1000;

/** `restarted`: the stream that the client knew is lost, and some of what it said with it. */
export type ToldEvent = EventPlace & { readonly event: SequencedEvent['event'] | 'restarted' };

export interface EventStart {
  /** The last event that the client knows. */
  readonly after?: AskedPlace | undefined;
  /** Without one, or with one of a stream that is lost: everything kept, or what happens from now on. */
  readonly from: 'start' | 'now';
}

/** One subscription to the events of all runs, fanned out to however many watch, with what was said before. */
@Injectable()
export class RunEvents implements OnApplicationBootstrap {
  readonly #stopping = new AbortController();
  /** Resolves when it is known which stream there is, or when the process is to stop. */
  readonly #opened = Promise.withResolvers<void>();
  #live = new Subject<SequencedEvent>();
  #kept: SequencedEvent[] = [];
  /** The last event heard. */
  #heard: EventPlace | undefined;
  /** The last that is known to be there: not behind it. */
  #last: EventPlace | undefined;
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
   * A run's events from a start, in order and without gaps; they end when the process is to stop, or the stream is lost. `now` leaves out
   * what happened before, but for warnings: the ledger does not hold them.
   */
  watch(run: string, start: EventStart): Observable<ToldEvent> {
    return this.watchAll(start).pipe(filter(({ event }) => event === 'restarted' || event.run === run));
  }

  /** The same of all runs. */
  watchAll(start: EventStart): Observable<ToldEvent> {
    return from(this.#opened.promise).pipe(switchMap(() => this.#told(start)));
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

  #told({ after, from: start }: EventStart): Observable<ToldEvent> {
    const last = this.#last;
    if (last === undefined || this.#stopping.signal.aborted) return EMPTY;
    const isLost =
      after !== undefined && ((after.stream ?? last.stream) !== last.stream || after.sequence > last.sequence);
    if (after !== undefined && !isLost) return this.#after(after.sequence);
    const told = start === 'now' ? this.#fromNow() : this.#after(0);
    const place = { stream: last.stream, sequence: start === 'now' ? (this.#heard?.sequence ?? 0) : 0 };
    return isLost ? concat(of({ ...place, event: 'restarted' as const }), told) : told;
  }

  #after(place: number): Observable<SequencedEvent> {
    const isWanted = ({ sequence }: SequencedEvent): boolean => sequence > place;
    return defer(() => concat(from(this.#kept.filter(isWanted)), this.#live)).pipe(filter(isWanted));
  }

  #fromNow(): Observable<SequencedEvent> {
    return defer(() => concat(from(this.#kept.filter(({ event }) => event.type === 'run.warning')), this.#live));
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
    const { last, goesOn, events } = await this.bus.open({ after: this.#heard, signal });
    if (!goesOn) this.#begin(last.stream);
    this.#last = last;
    this.#trouble = undefined;
    this.#opened.resolve();
    for await (const event of events) {
      this.#heard = { stream: event.stream, sequence: event.sequence };
      if (event.sequence > last.sequence) this.#last = this.#heard;
      this.#keep(event);
      this.#live.next(event);
    }
  }

  /** Whoever watched another stream comes back, and is told that it is lost. */
  #begin(stream: string): void {
    if (this.#heard !== undefined) {
      this.logger.warn('the stream of events was lost; who follows it reads the ledger again');
      const watched = this.#live;
      this.#live = new Subject();
      this.#kept = [];
      watched.complete();
    }
    this.#heard = { stream, sequence: 0 };
  }

  #keep(event: SequencedEvent): void {
    this.#kept.push(event);
    if (this.#kept.length > 2 * KEPT_EVENTS) this.#kept = this.#kept.slice(-KEPT_EVENTS);
  }

  #stop(): void {
    this.#stopping.abort();
    this.#opened.resolve();
    this.#live.complete();
  }
}
