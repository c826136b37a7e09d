import type { EventPlace, SequencedEvent } from '@solopo/bus';
import type { RunEvent } from '@solopo/contracts';
import { eventId, type AskedPlace } from './event-id.ts';

/** Of one turn of a stream, so that many streams take turns. In characters. */
const PIECE_LENGTH = 32_768;

interface KeptEvent {
  readonly place: EventPlace;
  readonly run: string;
  readonly type: RunEvent['type'];
  /** The event as JSON, made once for all who read it. */
  readonly data: string;
}

export interface EventStart {
  /** Only events later than this one. */
  readonly after?: AskedPlace | undefined;
  /** Without `after`, or where that is of a stream that is lost. `now`: only those to come, and warnings, which the ledger does not hold. */
  readonly from: 'start' | 'now';
  /** Of one run; of all without it. */
  readonly run?: string | undefined;
}

/** The events of late of one stream, in order: readers have a place among them, and nothing of their own. */
export class EventLog {
  #kept: KeptEvent[] = [];
  /** How many came before those that are kept. */
  #gone = 0;
  /** Of the stream, also what has not been heard of yet. */
  #last: EventPlace | undefined;
  #heard: EventPlace | undefined;
  /** How many streams were lost. */
  #generation = 0;
  readonly #waiting = new Set<() => void>();

  constructor(private readonly maxEvents: number) {}

  /** The place to go on from; undefined before there is a stream. */
  get heard(): EventPlace | undefined {
    return this.#heard;
  }

  /** The stream is there, up to `last`. Where it does not go on after what was heard, what is kept is of one that is lost, and its readers end. */
  begin(last: EventPlace, goesOn: boolean): void {
    this.#last = last;
    if (goesOn) return;
    this.#forget(this.#kept.length);
    this.#heard = { stream: last.stream, sequence: 0 };
    this.#generation++;
    this.#wake();
  }

  add({ event, ...place }: SequencedEvent): void {
    this.#heard = place;
    if (place.sequence > (this.#last?.sequence ?? 0)) this.#last = place;
    const { run, type } = event;
    this.#kept.push({ place, run, type, data: JSON.stringify(event) });
    if (this.#kept.length > 2 * this.maxEvents) this.#forget(this.#kept.length - this.maxEvents);
    this.#wake();
  }

  /** The latest that are wanted, latest first. */
  recent(limit: number, isWanted: (event: Pick<RunEvent, 'run' | 'type'>) => boolean): readonly SequencedEvent[] {
    const found: SequencedEvent[] = [];
    for (let index = this.#kept.length - 1; index >= 0 && found.length < limit; index--) {
      const kept = this.#kept[index];
      if (kept !== undefined && isWanted(kept)) found.push({ ...kept.place, event: JSON.parse(kept.data) as RunEvent });
    }
    return found;
  }

  read({ after, from, run }: EventStart): EventReader {
    const [last, opened] = [this.#last, this.#gone + this.#kept.length];
    const isLost = after !== undefined && last !== undefined && !holds(last, after);
    const isWanted = (event: KeptEvent, index: number): boolean => {
      if (run !== undefined && event.run !== run) return false;
      if (after !== undefined && !isLost) return event.place.sequence > after.sequence;
      return from === 'start' || index >= opened || event.type === 'run.warning';
    };
    const [heard, generation] = [this.#heard, this.#generation];
    let text = isLost && heard ? restarted(from === 'start' ? { ...heard, sequence: 0 } : heard) : '';
    let index = this.#gone;
    const isOver = (): boolean => generation !== this.#generation;
    const take = (): string | undefined => {
      if (isOver()) return undefined;
      for (index = Math.max(index, this.#gone); text.length < PIECE_LENGTH; index++) {
        const event = this.#kept[index - this.#gone];
        if (event === undefined) break;
        if (isWanted(event, index)) text += `id: ${eventId(event.place)}\ndata: ${event.data}\n\n`;
      }
      const taken = text;
      text = '';
      return taken;
    };
    return {
      take,
      news: (signal) => (isOver() || index < this.#gone + this.#kept.length ? Promise.resolve() : this.#news(signal)),
    };
  }

  #forget(events: number): void {
    this.#kept = this.#kept.slice(events);
    this.#gone += events;
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Until there is something new, or the signal aborts. */
  async #news(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}

/** A place among the events, for as long as somebody reads there. */
export interface EventReader {
  /** The next ones as server-sent events, some of them; empty where there are none now, undefined once their stream is lost. */
  take(): string | undefined;
  /** Resolves when there are more, their stream is lost, or the signal aborts. */
  news(signal: AbortSignal): Promise<void>;
}

/** A place of another stream is of one that is lost, and so is one that this has not reached: it has lost its end. */
function holds(last: EventPlace, { stream, sequence }: AskedPlace): boolean {
  return (stream ?? last.stream) === last.stream && sequence <= last.sequence;
}

/** What was missed with a lost stream is in the ledger alone: this says so, to whoever must read it again. */
const restarted = (place: EventPlace): string => `id: ${eventId(place)}\nevent: restarted\ndata: {}\n\n`;
