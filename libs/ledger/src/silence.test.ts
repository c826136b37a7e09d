import { startProxy, type TestProxy } from '@solopo/testing';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Ledger } from './ledger.ts';
import { createRun, useLedger } from './testing/ledger.fixture.ts';

const GONE = 'The database gave no answer in 1 s';

const fixture = useLedger();
let way: TestProxy;
let ledger: Ledger;

beforeEach(async () => {
  const url = new URL(fixture.url);
  way = await startProxy(Number(url.port));
  ledger = Ledger.open(Object.assign(url, { port: String(way.port) }).href, { connections: 1, limitMs: 1000 });
});

afterEach(async () => {
  await ledger.close();
  await way.stop();
});

it('a database that is gone without a word is asked again by another connection, and the transaction that it held ends', async () => {
  await createRun(fixture.ledger, 'run_silent');
  const begun = Promise.withResolvers<void>();
  const silent = Promise.withResolvers<void>();
  const asked = ledger.transaction(async (tx) => {
    await tx.runs.lockRunning(['run_silent']);
    begun.resolve();
    await silent.promise;
    return tx.runs.lockRunning(['run_silent']);
  });
  asked.catch(() => undefined);
  await begun.promise;
  expect(way.silence()).toBe(1);
  silent.resolve();
  await expect(asked).rejects.toThrow(GONE);

  // The server has not heard of it, and would hold the lock for ever.
  const again = await ledger.transaction((tx) => tx.runs.lockRunning(['run_silent']));
  expect(again).toMatchObject([{ id: 'run_silent' }]);
});

it('a connection that nobody uses stays, however long, and a silent one is found when it is used', async () => {
  await ledger.ping();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(way.silence()).toBe(1);
  await expect(ledger.ping()).rejects.toThrow(GONE);
  await ledger.ping();
  const client = new pg.Client({ connectionString: fixture.url });
  await client.connect();
  const { rows } = await client.query(
    "select setting from pg_settings where name = 'idle_in_transaction_session_timeout'",
  );
  await client.end();
  // Of sessions of others nothing is changed.
  expect(rows).toEqual([{ setting: '0' }]);
});
