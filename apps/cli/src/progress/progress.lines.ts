import type { RunView } from '../client/api.views.ts';
import type { Notes, Progress } from './progress.ts';
import { tally, type Tally } from './tally.ts';

/** A line whenever a kind of work is finished, and whenever a run has come a slice of steps further. */
export class ProgressLines implements Progress {
  readonly #write: (line: string) => void;
  readonly #elapsedMs: () => number;
  readonly #said = new Map<string, number>();

  constructor(write: (line: string) => void, elapsedMs = stopwatch()) {
    this.#write = write;
    this.#elapsedMs = elapsedMs;
  }

  show(runs: readonly RunView[], notes?: Notes): void {
    for (const item of tally(runs, notes)) {
      if (!isNews(item) || (this.#said.get(item.label) ?? 0) >= item.done) continue;
      this.#said.set(item.label, item.done);
      const seconds = `${Math.round(this.#elapsedMs() / 1000)}`.padStart(4);
      this.#write(`${seconds} s  ${item.label}: ${news(item)}`);
    }
  }

  close(): void {
    // Every line stands by itself.
  }
}

function isNews({ unit, done, total }: Tally): boolean {
  return total !== null && done > 0 && (unit === 'steps' || done >= total);
}

function news({ unit, done, total, note }: Tally): string {
  if (unit === 'jobs') return `done (${done} ${done === 1 ? 'job' : 'jobs'})`;
  return `step ${done} of ${total}${note === undefined ? '' : ` (${note})`}`;
}

function stopwatch(): () => number {
  const started = performance.now();
  return () => performance.now() - started;
}
