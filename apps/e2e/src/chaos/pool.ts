import pg from 'pg';

/** Of the one who looks on, by the straight way, whatever becomes of the server. */
export function openPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 4 });
  pool.on('error', () => undefined);
  // One that breaks while somebody uses it tells nobody else.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}
