import { join } from 'node:path';
import { startPostgres as start } from '@solopo/local-servers';
import pg from 'pg';
import { scratch } from './scratch.ts';

export interface TestPostgres {
  readonly url: string;
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

/** A real Postgres on a free port, as fast as it goes: it forgets everything in a power cut. */
export async function startPostgres(): Promise<TestPostgres> {
  const place = scratch('postgres');
  const settings = {
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    autovacuum: 'off',
    shared_buffers: '32MB',
  };
  const server = await start({ dataDir: join(place.folder, 'data'), settings });
  place.watch(server.pid);
  let databases = 0;
  return {
    url: server.url,
    createDatabase: async () => {
      const name = `test_${++databases}`;
      const client = new pg.Client({ connectionString: server.url });
      await client.connect();
      try {
        await client.query(`create database ${name} strategy file_copy`);
      } finally {
        await client.end();
      }
      return Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
    },
    stop: async () => {
      await server.stop();
      place.forget();
      await place.remove();
    },
  };
}
