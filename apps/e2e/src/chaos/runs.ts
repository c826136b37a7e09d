import { setTimeout as sleep } from 'node:timers/promises';
import type { RunConfigInput, RunView } from '@solopo/contracts';
import type pg from 'pg';
import { retrievalRun } from '../retrieval-run.ts';
import type { System } from '../system.ts';

export interface StartedRun {
  readonly id: string;
  readonly config: RunConfigInput;
}

const PAUSE_MS = 250;

/** Small, with every kind of stage, and no work that another has. */
export function chaosRun(seed: number, number: number): RunConfigInput {
  return retrievalRun({
    name: `chaos-${seed}-${number}`,
    seed: 1000 * seed + number,
    sampling: { samplesPerContext: 12, temperature: 0.85, maxNewTokens: 3 },
    pairing: { judge: 'exact', heldOutPairs: 8 },
    training: { pairsPerStep: 8, learningRate: 5e-4, stepsPerSlice: 2, betas: [0.9, 0.98], maxSteps: 6 },
  });
}

/** However the gateway is: who got no answer looks whether there is a run of that name before asking again. */
export async function createRun(system: System, pool: pg.Pool, config: RunConfigInput): Promise<StartedRun> {
  for (;;) {
    const found = await patiently(() =>
      pool.query<{ id: string }>('select id from runs where name = $1', [config.name]),
    );
    if (found.rows[0] !== undefined) return { id: found.rows[0].id, config };
    const answer = await system.api
      .post('/v1/runs')
      .send(config)
      .catch(() => undefined);
    if (answer?.status === 201) return { id: (answer.body as RunView).id, config };
    if (answer !== undefined && answer.status < 500)
      throw new Error(`The run was refused: ${answer.status} ${JSON.stringify(answer.body)}`);
    await sleep(PAUSE_MS);
  }
}

export async function stateOf(pool: pg.Pool, run: string): Promise<string> {
  const { rows } = await patiently(() => pool.query<{ state: string }>('select state from runs where id = $1', [run]));
  return rows[0]?.state ?? 'missing';
}

/** While the database is away, it is asked again. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === 200) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** By the dead letters that nobody retried. Returns what they say. */
export async function resumeFailed(system: System): Promise<readonly string[]> {
  const letters = (await system.ledger.deadLetters.list()).filter(({ retriedAt }) => retriedAt === null);
  const resumed: string[] = [];
  for (const { id, subject, reason } of letters) {
    const { status } = await system.api.post(`/v1/dead-letters/${id}/retry`);
    if (status === 200) resumed.push(`${subject}: ${reason}`);
  }
  return resumed;
}
