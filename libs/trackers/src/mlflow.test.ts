import { waitFor } from '@solopo/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followRuns } from './follow-runs.ts';
import { MlflowTracker } from './mlflow.tracker.ts';
import { MlflowServer, type StoredRun } from './testing/mlflow.server.ts';
import { addRun, addSteps, addVersion, lossAt, phasesAt, useTrackedLedger } from './testing/tracked-ledger.fixture.ts';

const tracked = useTrackedLedger();
let server: MlflowServer;
let runs = 0;
let run: string;

beforeEach(async () => {
  server = await MlflowServer.start();
  run = `run_${++runs}`;
  await addRun(tracked, run);
});

afterEach(async () => {
  await tracked.ledger.runs.end(run, 'succeeded');
  await server.stop();
});

const own = (): StoredRun | undefined => server.runs.find(({ tags }) => tags.get('solopo_run') === run);
const points = (): string[] => own()?.metrics.map(({ key, step }) => `${key}@${step}`) ?? [];

async function follow(until: () => boolean, errors: string[] = []): Promise<void> {
  const stop = new AbortController();
  const tracker = new MlflowTracker({ url: server.url, token: 'secret', experiment: 'solopo' });
  const following = followRuns(tracked.ledger, tracker, {
    signal: stop.signal,
    pollMs: 5,
    onError: (_, id, error) => errors.push(`${id}: ${String(error)}`),
  });
  try {
    await waitFor('MLflow has it', until, 60_000);
  } finally {
    stop.abort();
    await following;
  }
}

function expected(steps: number, versions: readonly number[]): string[] {
  const taken = Array.from({ length: steps }, (_, index) => index + 1);
  return [
    ...taken.flatMap((step) => [`train/loss@${step}`, `train/rewards/margins@${step}`]),
    ...versions.flatMap((step) => [
      `held_out/eval_loss@${step}`,
      `held_out/step@${step}`,
      `accuracy/8_documents@${step}`,
    ]),
  ].sort();
}

describe('MLflow', () => {
  it('has each run with its configuration, its points and its end', async () => {
    await addSteps(tracked, run, 700);
    await addVersion(tracked, run, 0);
    await addVersion(tracked, run, 700);
    await tracked.ledger.runs.end(run, 'cancelled');
    await follow(() => own()?.status === 'KILLED');
    expect(own()).toMatchObject({ name: 'a run/with: signs', endTime: expect.any(Number) as number });
    expect(Object.fromEntries(own()?.params ?? [])).toMatchObject({
      model: 'tiny',
      arm: 'solo',
      'contexts.long.documents': '4',
      'training.betas': '[0.9,0.999]',
    });
    expect(points().sort()).toEqual(expected(700, [0, 700]));
    const loss = own()?.metrics.find(({ key, step }) => key === 'train/loss' && step === 9);
    expect(loss?.value).toBe(lossAt(9));
    expect(Math.abs((loss?.timestamp ?? 0) - Date.now())).toBeLessThan(600_000);
    expect(new Set(server.authorizations)).toEqual(new Set(['Bearer secret']));
  });

  it('has the seconds of a step by phase beside its metrics, once over a restart', async () => {
    await addSteps(tracked, run, 6, phasesAt);
    await follow(() => points().length >= 26);
    await addSteps(tracked, run, 7, phasesAt);
    await follow(() => points().length >= 30);
    const phases = (own()?.metrics ?? []).filter(({ key }) => key.startsWith('phase_seconds/'));
    expect(phases.map(({ key, step, value }) => [key, step, value])).toEqual(
      [1, 2, 3, 4, 5, 6, 7].flatMap((step) =>
        Object.entries(phasesAt(step)).map(([name, value]) => [`phase_seconds/${name}`, step, value]),
      ),
    );
    expect(points()).toHaveLength(30);
  });

  it('has every point once over restarts, lost answers and times when it is away', async () => {
    const errors: string[] = [];
    await addSteps(tracked, run, 10);
    await addVersion(tracked, run, 0);
    await follow(() => points().length >= 23, errors);
    expect(errors).toEqual([]);
    server.lostAnswers = 1;
    await addSteps(tracked, run, 20);
    await addVersion(tracked, run, 10);
    await addVersion(tracked, run, 20);
    await follow(() => points().length >= 49, errors);
    expect(errors).toEqual([expect.stringMatching(new RegExp(`^${run}: .*MLflow does not answer; start it`))]);

    server.down = true;
    await addSteps(tracked, run, 30);
    await follow(() => errors.length > 1, errors);
    expect(errors[1]).toMatch(/MLflow answered .* with 503/);
    server.down = false;
    await follow(() => points().length >= 69, errors);
    expect(points().sort()).toEqual(expected(30, [0, 10, 20]));
    expect(server.runs.filter(({ tags }) => tags.get('solopo_run') === run)).toHaveLength(1);
  });

  it('sees a run that failed and was taken up again as running, and then as finished', async () => {
    await addSteps(tracked, run, 5);
    await tracked.ledger.runs.end(run, 'failed', 'no memory');
    await follow(() => own()?.status === 'FAILED');
    await tracked.ledger.runs.resume(run);
    await addSteps(tracked, run, 8);
    await follow(() => own()?.status === 'RUNNING' && points().length >= 16);
    await tracked.ledger.runs.end(run, 'succeeded');
    await follow(() => own()?.status === 'FINISHED');
    expect(points().sort()).toEqual(expected(8, []));
  });
});
