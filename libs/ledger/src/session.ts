import { setTimeout as sleep } from 'node:timers/promises';
import { SolopoError } from '@solopo/contracts';
import pg from 'pg';

const FAREWELL_MS = 1000;
/** Between signs of life of a connection that says nothing else, and for the answer to one. */
const BEAT_MS = 5000;

export interface SessionOptions {
  readonly url: string;
  /** For the connection, and for each answer. */
  readonly limitMs: number;
  readonly onError: (error: Error) => void;
}

/** Calls back at each notification on the channel, until the returned function is called. */
export async function listen(
  channel: string,
  callback: () => void,
  { url, limitMs, onError }: SessionOptions,
): Promise<() => Promise<void>> {
  const client = clientOf(url, limitMs);
  client.on('notification', callback);
  client.on('error', onError);
  try {
    await client.connect();
    await demandNoPooler(client);
    await client.query(`listen ${client.escapeIdentifier(channel)}`);
  } catch (error) {
    await end(client);
    throw error;
  }
  return () => end(client);
}

/**
 * Does the work if no other session does work of that name now; returns whether it did. The name belongs to a transaction that is
 * open meanwhile, so that it holds through a pooler of transactions too. Should its connection break, `lost` aborts.
 */
export async function alone(
  name: string,
  work: (lost: AbortSignal) => Promise<void>,
  { url, limitMs, onError }: SessionOptions,
): Promise<boolean> {
  const lost = new AbortController();
  const beatMs = Math.min(limitMs, BEAT_MS);
  const client = clientOf(url, beatMs);
  const lose = (error: Error): void => {
    if (lost.signal.aborted) return;
    onError(error);
    lost.abort();
  };
  client.on('error', lose);
  let beat: NodeJS.Timeout | undefined;
  try {
    await client.connect();
    await client.query('begin');
    const { rows } = await client.query<{ held: boolean }>(
      'select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as held',
      [name],
    );
    if (rows[0]?.held !== true) return false;
    beat = setInterval(() => void client.query('select 1').catch(lose), beatMs);
    await work(lost.signal);
    return true;
  } finally {
    clearInterval(beat);
    await end(client);
  }
}

function clientOf(url: string, limitMs: number): pg.Client {
  return new pg.Client({
    connectionString: url,
    keepAlive: true,
    connectionTimeoutMillis: limitMs,
    query_timeout: limitMs,
  });
}

/** A pooler gives clients a number of its own for their backend; of what it hears of a server's notifications they hear nothing. */
async function demandNoPooler(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  if ((client as pg.Client & { readonly processID: number | null }).processID === rows[0]?.pid) return;
  throw new SolopoError(
    'config-invalid',
    'A pooler is between this program and Postgres, through which nothing is heard of the outbox; set SOLOPO_DATABASE_DIRECT_HOST to the HOST:PORT of Postgres itself.',
  );
}

/** A server that is frozen does not take leave. */
async function end(client: pg.Client): Promise<void> {
  await Promise.race([client.end().catch(() => undefined), sleep(FAREWELL_MS, undefined, { ref: false })]);
}
