import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres as start, type LocalPostgres, type PostgresOptions } from '@solopo/local-servers';
import pg from 'pg';
import { fillFromTemplate } from './cluster.template.ts';
import { scratch } from './scratch.ts';

const ATTEMPTS = 10;

export interface TestPostgres {
  readonly url: string;
  readonly port: number;
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** Stops all of its processes, which then hold their connections and answer nothing (Linux alone). `thaw` lets them go on. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
  /** Ends the server as kill -9 would; `restart` brings it back with the same files. */
  kill(): Promise<void>;
  /** On the same port, after `kill`. */
  restart(): Promise<void>;
}

/**
 * A real Postgres on a free port, as fast as it goes: it forgets everything in a power cut, and its last commits when it is killed,
 * unless `settings` say `synchronous_commit: 'on'`.
 */
export async function startPostgres(
  options: { readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<TestPostgres> {
  const place = scratch('postgres');
  const dataDir = join(place.folder, 'data');
  const settings = {
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    autovacuum: 'off',
    shared_buffers: '32MB',
    ...options.settings,
  };
  await fillFromTemplate(dataDir, settings);
  let server = await start({ dataDir, settings });
  place.watch(server.pid);
  const { url, port } = server;
  let databases = 0;
  let frozen: readonly number[] = [];
  const thaw = (): void => {
    for (const pid of frozen.toReversed()) process.kill(pid, 'SIGCONT');
    frozen = [];
  };
  return {
    url,
    port,
    createDatabase: async () => {
      const name = `test_${++databases}`;
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      try {
        await client.query(`create database ${name} strategy file_copy`);
      } finally {
        await client.end();
      }
      return Object.assign(new URL(url), { pathname: `/${name}` }).href;
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
    kill: () => server.kill(),
    restart: async () => {
      place.forget();
      server = await startAgain({ dataDir, settings, port });
      place.watch(server.pid);
    },
  };
}

/** What served the clients of a killed server outlives it by a moment, and no other may have its files until then. */
async function startAgain(options: PostgresOptions): Promise<LocalPostgres> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await sleep(100 * attempt);
    }
  }
}
