import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres, waitFor, type TestPostgres } from '@solopo/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Ledger } from './index.ts';
import { createRun } from './testing/ledger.fixture.ts';

const LIMIT_MS = 400;

describe.skipIf(process.platform !== 'linux')('with a Postgres that is frozen', () => {
  let postgres: TestPostgres;
  let url: string;
  let ledger: Ledger;

  beforeAll(async () => {
    postgres = await startPostgres();
    url = await postgres.createDatabase();
    ledger = Ledger.open(url, { limitMs: LIMIT_MS, connections: 2 });
    await ledger.migrate();
  });
  afterEach(async () => {
    postgres.thaw();
    await waitFor('Postgres answers again', () =>
      ledger.ping().then(
        () => true,
        () => false,
      ),
    );
  });
  afterAll(async () => {
    await ledger.close();
    await postgres.stop();
  });

  it('every statement and every wait for a connection ends, as an outage, and goes on when it is thawed', async () => {
    await Promise.all([ledger.ping(), ledger.ping()]);
    postgres.freeze();
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => ledger.ping()));
    for (const { status } of results) expect(status).toBe('rejected');
    const first = results[0] as PromiseRejectedResult;
    expect(first.reason).toMatchObject({ code: 'not-ready', message: expect.stringMatching(/no answer in 0.4 s/) });
    postgres.thaw();
    await ledger.ping();
  });

  it('a transaction that was broken off in its middle is not gone on with by the next one', async () => {
    const broken = ledger.transaction(async (tx) => {
      await createRun(tx as unknown as Ledger, 'half');
      postgres.freeze();
      await tx.runs.planSteps('half', 1);
    });
    await expect(broken).rejects.toMatchObject({ code: 'not-ready' });
    postgres.thaw();
    await ledger.transaction((tx) => createRun(tx as unknown as Ledger, 'whole'));
    expect(await ledger.runs.find('whole')).not.toBeNull();
    expect(await ledger.runs.find('half')).toBeNull();
  });

  it('whoever does work alone hears that it may be so no longer, and the work is another one’s then', async () => {
    const other = Ledger.open(url, { limitMs: LIMIT_MS });
    const done = ledger.exclusively('work', async (lost) => {
      expect(await other.exclusively('work', () => Promise.resolve())).toBe(false);
      postgres.freeze();
      await new Promise((resolve) => lost.addEventListener('abort', resolve, { once: true }));
      postgres.thaw();
    });
    expect(await done).toBe(true);
    await waitFor('the name is free', () => other.exclusively('work', () => Promise.resolve()));
    await other.close();
  });

  it('closing waits for nobody, and migrations are patient', async () => {
    const other = Ledger.open(url, { limitMs: LIMIT_MS });
    await other.ping();
    postgres.freeze();
    await other.close();
    const migrating = ledger.migrate();
    expect(await Promise.race([migrating.catch(() => 'failed'), sleep(3 * LIMIT_MS, 'waits')])).not.toBe('failed');
    postgres.thaw();
    await migrating;
  });
});
