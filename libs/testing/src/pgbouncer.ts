import { existsSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { startPgBouncer as start } from '@solopo/local-servers';
import { scratch } from './scratch.ts';

/** Where `./solopo test` unpacks Debian's package, and where that is installed. */
const PLACES = [
  new URL('../../../.solopo/pgbouncer/usr/sbin/pgbouncer', import.meta.url).pathname,
  '/usr/sbin/pgbouncer',
];

const found = (): string | undefined => PLACES.find((file) => existsSync(file));

/** Why there can be none; undefined where there can. */
export function whyNoPgBouncer(): string | undefined {
  return found() === undefined
    ? 'PgBouncer is not there; install it, or run ./solopo test where apt-get is'
    : undefined;
}

export interface TestPgBouncer {
  /** Of the database that it was started for, through it. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * A real PgBouncer in transaction mode.
 *
 * @param urls of Postgres, the first of the owner: each with a user and a password that may come in
 */
export async function startPgBouncer(urls: readonly [string, ...string[]], connections = 2): Promise<TestPgBouncer> {
  const place = scratch('pgbouncer');
  // Its own user has to enter.
  await chmod(place.folder, 0o755);
  const logins = urls.map((url) => new URL(url));
  const users = new Map(logins.map(({ username, password }) => [username, password]));
  const server = await start({
    file: found() ?? 'pgbouncer',
    dataDir: join(place.folder, 'data'),
    url: urls[0],
    users,
    connections,
  });
  place.watch(server.pid);
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      place.forget();
      await place.remove();
    },
  };
}
