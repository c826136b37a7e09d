import {
  startPgBouncer,
  startPostgres,
  waitFor,
  whyNoPgBouncer,
  type TestPgBouncer,
  type TestPostgres,
} from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ledger } from './index.ts';
import { createRun } from './testing/ledger.fixture.ts';

const WHY_NOT = whyNoPgBouncer();

/** Two connections to Postgres, which all clients share: what belongs to a session is the next client's. */
describe.skipIf(WHY_NOT !== undefined)(`through PgBouncer in transaction mode ${WHY_NOT ?? ''}`, () => {
  let postgres: TestPostgres;
  let pooler: TestPgBouncer;
  let direct: string;
  let ledger: Ledger;

  beforeAll(async () => {
    postgres = await startPostgres();
    direct = await postgres.createDatabase();
    pooler = await startPgBouncer([direct]);
    ledger = Ledger.open(pooler.url);
  });
  afterAll(async () => {
    await ledger.close();
    await pooler.stop();
    await postgres.stop();
  });

  it('migrates, and answers more clients than there are connections', async () => {
    const others = [1, 2, 3].map(() => Ledger.open(pooler.url));
    await Promise.all(others.map((other) => other.migrate()));
    await Promise.all(others.flatMap((other) => Array.from({ length: 20 }, () => other.schemaVersion())));
    await ledger.transaction((tx) => createRun(tx as unknown as Ledger, 'r'));
    await ledger.snapshot(async (read) => {
      expect(await read.runs.find('r')).not.toBeNull();
      await createRun(others[0]!, 'later');
      expect(await read.runs.find('later')).toBeNull();
    });
    // The reads of a snapshot are no one else's.
    await createRun(ledger, 'last');
    await Promise.all(others.map((other) => other.close()));
  });

  it('lets one alone do the work of a name, and the next when that is done', async () => {
    const other = Ledger.open(pooler.url);
    const attempts: boolean[] = [];
    const first = await ledger.exclusively('work', async () => {
      for (let i = 0; i < 3; i++) attempts.push(await other.exclusively('work', () => Promise.resolve()));
    });
    expect([first, ...attempts]).toEqual([true, false, false, false]);
    expect(await other.exclusively('work', () => Promise.resolve())).toBe(true);
    expect(await ledger.exclusively('work', () => Promise.resolve())).toBe(true);
    await other.close();
  });

  it('says that nothing can be listened to, unless it is told where Postgres itself is', async () => {
    await expect(ledger.onOutbox(() => undefined)).rejects.toThrow(
      /A pooler is between .* SOLOPO_DATABASE_DIRECT_HOST/,
    );
    const listening = Ledger.open(pooler.url, { directHost: new URL(direct).host });
    let calls = 0;
    const end = await listening.onOutbox(() => calls++);
    await ledger.outbox.add([{ subject: 's', messageId: 'm', payload: {} }]);
    await waitFor('the outbox is heard of', () => Promise.resolve(calls > 0));
    await end();
    await listening.close();
  });
});
