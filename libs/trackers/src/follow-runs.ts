import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger, TrackedRun } from '@solopo/ledger';
import { newEntries } from './entries.ts';
import { TRAIN, type Entry, type Tracked, type Tracker } from './tracker.ts';

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Between looks at the ledger. */
  readonly pollMs?: number;
  readonly onWritten?: (tracker: Tracker, points: number) => void;
  readonly onError?: (tracker: Tracker, run: string, error: unknown) => void;
}

const POLL_MS = 2000;
/** A run that ended is looked at for so long after, lest clocks or a slow commit hide it. */
const OVERLAP_MS = 10 * 60_000;

/**
 * Keeps a tracker up to date with the ledger: first what happened before, then what happens. Among all processes one
 * alone does it for each tracker.
 */
export async function followRuns(ledger: Ledger, tracker: Tracker, options: FollowOptions): Promise<void> {
  const { signal, pollMs = POLL_MS } = options;
  while (!signal.aborted) {
    await ledger
      .exclusively(`tracker ${tracker.name}`, (lost) => {
        const following = new Following(ledger, tracker, options);
        return following.run(AbortSignal.any([signal, lost]), pollMs);
      })
      .catch((error: unknown) => options.onError?.(tracker, 'all', error));
    await pause(pollMs, signal);
  }
}

class Following {
  readonly #open = new Map<string, Tracked>();
  readonly #ended = new Set<string>();
  #since = new Date(0);

  constructor(
    private readonly ledger: Ledger,
    private readonly tracker: Tracker,
    private readonly options: FollowOptions,
  ) {}

  async run(signal: AbortSignal, pollMs: number): Promise<void> {
    while (!signal.aborted) {
      const started = Date.now();
      let failed = false;
      for (const run of await this.ledger.tracking.runs(this.#since)) {
        if (signal.aborted) return;
        if (!(await this.#follow(run, signal))) failed = true;
      }
      // A run that failed to be written may have ended long ago: it is asked for again.
      if (!failed) this.#since = new Date(started - OVERLAP_MS);
      await pause(pollMs, signal);
    }
  }

  /** Whether all that there is was written. */
  async #follow(run: TrackedRun, signal: AbortSignal): Promise<boolean> {
    if (run.state === 'running') this.#ended.delete(run.id);
    if (this.#ended.has(run.id)) return true;
    try {
      let tracked = this.#open.get(run.id) ?? (await this.tracker.open(run));
      this.#open.set(run.id, tracked);
      for await (const entries of newEntries(this.ledger, run.id, tracked)) {
        if (signal.aborted) return false;
        await this.tracker.write(run, entries);
        tracked = withEntries(tracked, entries);
        this.#open.set(run.id, tracked);
        this.options.onWritten?.(this.tracker, entries.flatMap(({ values }) => Object.keys(values)).length);
      }
      if (run.state !== 'running') {
        await this.tracker.end(run);
        this.#open.delete(run.id);
        this.#ended.add(run.id);
      }
      return true;
    } catch (error) {
      // Whether the last entries arrived, the tracker knows.
      this.#open.delete(run.id);
      this.options.onError?.(this.tracker, run.id, error);
      return false;
    }
  }
}

function withEntries({ step, keys }: Tracked, entries: readonly Entry[]): Tracked {
  const isStep = ({ key }: Entry): boolean => key.startsWith(`${TRAIN}/`);
  return {
    step: entries.findLast(isStep)?.step ?? step,
    keys: new Set([...keys, ...entries.filter((entry) => !isStep(entry)).map(({ key }) => key)]),
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
