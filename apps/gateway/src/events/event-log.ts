import type { SequencedEvent } from '@solopo/bus';
import type { RunEvent } from '@solopo/contracts';

/** Of one turn of a stream, so that many streams take turns. In characters. */
const PIECE_LENGTH = 32_768;

interface KeptEvent {
  readonly sequence: number;
  /** Which stream of the server's it is of: sequences begin anew when the server has lost one. */
  readonly generation: number;
  readonly run: string;
  readonly type: RunEvent['type'];
  /** The event as JSON, made once for all who read it. */
  readonly data: string;
}

export interface EventPlace {
  /** Only events later than this one. `now`: only those to come, and warnings, which the ledger does not hold. */
  readonly after: number | 'now';
  /** Of one run; of all without it. */
  readonly run?: string | undefined;
}

/** The events of late, in order: readers have a place among them, and nothing of their own. */
export class EventLog {
  #kept: KeptEvent[] = [];
  /** How many came before those that are kept. */
  #gone = 0;
  #generation = 0;
  readonly #waiting = new Set<() => void>();

  constructor(private readonly maxEvents: number) {}

  get last(): number | undefined {
    return this.#kept.at(-1)?.sequence;
  }

  add({ sequence, event }: SequencedEvent): void {
    const { last } = this;
    // The stream was lost, and comes from its start: what was kept of it comes again.
    if (last !== undefined && sequence <= last) {
      this.#forget(this.#kept.length);
      this.#generation++;
    }
    const { run, type } = event;
    this.#kept.push({ sequence, generation: this.#generation, run, type, data: JSON.stringify(event) });
    if (this.#kept.length > 2 * this.maxEvents) this.#forget(this.#kept.length - this.maxEvents);
    for (const wake of [...this.#waiting]) wake();
  }

  /** The latest that are wanted, latest first. */
  recent(limit: number, isWanted: (event: Pick<RunEvent, 'run' | 'type'>) => boolean): readonly SequencedEvent[] {
    const found: SequencedEvent[] = [];
    for (let index = this.#kept.length - 1; index >= 0 && found.length < limit; index--) {
      const kept = this.#kept[index];
      if (kept !== undefined && isWanted(kept))
        found.push({ sequence: kept.sequence, event: JSON.parse(kept.data) as RunEvent });
    }
    return found;
  }

  read({ after, run }: EventPlace): EventReader {
    const generation = this.#generation;
    const opened = this.#gone + this.#kept.length;
    const isWanted = (event: KeptEvent, place: number): boolean => {
      if (run !== undefined && event.run !== run) return false;
      if (after === 'now') return place >= opened || event.type === 'run.warning';
      return event.generation !== generation || event.sequence > after;
    };
    let place = this.#gone;
    const take = (): string => {
      place = Math.max(place, this.#gone);
      let text = '';
      for (; text.length < PIECE_LENGTH; place++) {
        const event = this.#kept[place - this.#gone];
        if (event === undefined) break;
        if (isWanted(event, place)) text += `id: ${event.sequence}\ndata: ${event.data}\n\n`;
      }
      return text;
    };
    return {
      take,
      news: (signal) => (place < this.#gone + this.#kept.length ? Promise.resolve() : this.#news(signal)),
    };
  }

  #forget(events: number): void {
    this.#kept = this.#kept.slice(events);
    this.#gone += events;
  }

  /** Until there is one more, or the signal aborts. */
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
  /** The next ones as server-sent events, some of them; empty where there are none now. */
  take(): string;
  /** Resolves when there are more, or the signal aborts. */
  news(signal: AbortSignal): Promise<void>;
}
