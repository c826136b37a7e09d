import { setTimeout as sleep } from 'node:timers/promises';
import type { RunView } from '../client/api.views.ts';
import type { ApiClient } from '../client/api.client.ts';
import { patient } from '../watch/patient.ts';

const POLL_MS = 500;

/** A run ended otherwise than well. */
export class RunFailedError extends Error {
  override readonly name = 'RunFailedError';

  constructor({ id, state, error, config }: RunView) {
    super(
      `Run ${config.name} (${id}) ${state === 'failed' ? 'failed' : `was ${state}`}${error === null ? '.' : `: ${error}`}`,
    );
  }
}

export interface FollowOptions {
  readonly watch: (runs: readonly RunView[]) => void;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Asks for the runs again and again until each has succeeded; a system that is away is waited for. */
export async function followRuns(
  api: ApiClient,
  ids: readonly string[],
  { watch, say, signal }: FollowOptions,
): Promise<RunView[]> {
  const waiting = patient(api, say);
  for (;;) {
    const runs = await Promise.all(ids.map((id) => waiting.api.run(id)));
    waiting.heard();
    watch(runs);
    const lost = runs.find(({ state }) => state === 'failed' || state === 'cancelled');
    if (lost) throw new RunFailedError(lost);
    if (runs.every(({ state }) => state === 'succeeded')) return runs;
    await sleep(POLL_MS, undefined, { signal });
  }
}

const CANCEL_PATIENCE_MS = 5000;

/** As far as it still goes: a run may have ended, and the gateway too. */
export async function cancelRuns(api: ApiClient, ids: readonly string[]): Promise<void> {
  const patient = api.with({ signal: AbortSignal.timeout(CANCEL_PATIENCE_MS) });
  await Promise.allSettled(ids.map((id) => patient.cancelRun(id)));
}
