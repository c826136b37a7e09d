import type { RunView } from '../client/api.views.ts';
import type { Notes, Progress } from './progress.ts';
import { tally, type Tally } from './tally.ts';
import { leftText } from './time-left.ts';

/** Of work that takes long, between two lines that say how far it is. */
const REMINDER_MS = 30_000;

interface Said {
  readonly done: number;
  readonly atMs: number;
}

/** A line whenever a kind of work is finished, whenever a run has come a slice of steps further, and now and then of what takes long. */
export class ProgressLines implements Progress {
  readonly #write: (line: string) => void;
  readonly #elapsedMs: () => number;
  readonly #said = new Map<string, Said>();

  constructor(write: (line: string) => void, elapsedMs = stopwatch()) {
    this.#write = write;
    this.#elapsedMs = elapsedMs;
  }

  show(runs: readonly RunView[], notes?: Notes): void {
    for (const item of tally(runs, notes)) {
      const atMs = this.#elapsedMs();
      const said = this.#said.get(item.label);
      if (said === undefined) this.#said.set(item.label, { done: 0, atMs });
      const isNews = isMilestone(item) && (said?.done ?? 0) < item.done;
      const isDue = item.now !== null && said !== undefined && atMs - said.atMs >= REMINDER_MS;
      if (!isNews && !isDue) continue;
      this.#said.set(item.label, { done: isNews ? item.done : (said?.done ?? 0), atMs });
      const seconds = `${Math.round(atMs / 1000)}`.padStart(4);
      this.#write(`${seconds} s  ${item.label}: ${isNews ? news(item) : underWay(item)}`);
    }
  }

  close(): void {
    // Every line stands by itself.
  }
}

function isMilestone({ unit, done, total }: Tally): boolean {
  return total !== null && done > 0 && (unit === 'steps' || (done >= total && unit !== 'stages'));
}

function news({ unit, done, total, note }: Tally): string {
  if (unit !== 'steps') return `done (${done} ${unit})`;
  return `step ${done} of ${total}${note === undefined ? '' : ` (${note})`}`;
}

function underWay({ unit, done, total, now }: Tally): string {
  const far = total === null ? [] : [`${done} of ${total} ${unit}`];
  return [...far, ...(now === null ? [] : [leftText(now)])].join(', ');
}

function stopwatch(): () => number {
  const started = performance.now();
  return () => performance.now() - started;
}
