import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgres as start } from '@solopo/local-servers';
import pg from 'pg';
import { scratch } from './scratch.ts';

export interface TestPostgres {
  readonly url: string;
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** Stops all of its processes, which then hold their connections and answer nothing (Linux alone). `thaw` lets them go on. */
  freeze(): void;
  thaw(): void;
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
  let frozen: readonly number[] = [];
  const thaw = (): void => {
    for (const pid of frozen.toReversed()) process.kill(pid, 'SIGCONT');
    frozen = [];
  };
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
    freeze: () => {
      // Its first process makes the others.
      process.kill(server.pid, 'SIGSTOP');
      const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ');
      frozen = [server.pid, ...children.map(Number)];
      for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    },
    thaw,
    stop: async () => {
      thaw();
      await server.stop();
      place.forget();
      await place.remove();
    },
  };
}
