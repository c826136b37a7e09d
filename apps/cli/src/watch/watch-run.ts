import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../client/api.client.ts';
import type { RunEvent, RunView } from '../client/api.views.ts';
import type { Progress } from '../progress/progress.ts';
import { followEvents } from './follow-events.ts';
import { patient } from './patient.ts';

export interface WatchOptions {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly say: (line: string) => void;
  /** Between looks at the run when no event comes. */
  readonly pollMs?: number;
  /** Between looks at the run when events come all the time. */
  readonly restMs?: number;
}

/**
 * Looks at the run whenever something happens to it, until it has ended, well or not. Events only say when to look, and
 * what the loss is: without them the run is looked at every few seconds. Once it was seen, a system that is away is waited for.
 */
export async function watchRun(
  api: ApiClient,
  id: string,
  { signal, progress, say, pollMs = 5000, restMs = 250 }: WatchOptions,
): Promise<RunView> {
  const watching = new AbortController();
  const both = AbortSignal.any([signal, watching.signal]);
  const waiting = patient(api, say);
  const bell = new Bell();
  const warned = new Set<string>();
  const warn = (message: string): void => {
    if (!warned.has(message)) say(`Warning: ${message}`);
    warned.add(message);
  };
  let note: string | undefined;
  const hear = async (): Promise<void> => {
    const hearing = api.with({ maxAttempts: Infinity, signal: both });
    for await (const event of followEvents(hearing, id, { signal: both, opened: () => bell.ring() })) {
      note = stepNote(event) ?? note;
      if (event.type === 'run.warning') warn(String(event.data['message']));
      bell.ring();
    }
  };
  let heard: Promise<void> | undefined;
  try {
    for (;;) {
      const run = await (heard === undefined ? api : waiting.api).run(id);
      waiting.heard();
      heard ??= hear().catch(() => undefined);
      for (const { message } of run.warnings) warn(message);
      progress.show([run], note === undefined ? {} : { [run.id]: note });
      if (run.state !== 'running') return run;
      await Promise.race([bell.next(), sleep(pollMs, undefined, { signal: both })]);
      await sleep(restMs, undefined, { signal });
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    watching.abort();
    progress.close();
    await heard;
  }
}

/** Loss and margin of a step, as a progress line has room for. */
function stepNote({ type, data }: RunEvent): string | undefined {
  if (type !== 'run.step') return undefined;
  const metrics = (data['metrics'] ?? {}) as Readonly<Record<string, number>>;
  const parts = [
    ['loss', metrics['loss']],
    ['margin', metrics['rewards/margins']],
  ] as const;
  const shown = parts.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value.toFixed(3)}`]));
  return [`step ${String(data['step'])}`, ...shown].join(' ');
}

/** Rung while nobody waits, it is heard by the next who does. */
class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async next(): Promise<void> {
    if (!this.#rung) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#rung = false;
  }
}
