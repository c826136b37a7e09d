import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { freePort } from './free-port.ts';
import { ServerProcess, type LocalServer } from './server.process.ts';

export interface PgBouncerOptions {
  readonly file: string;
  /** For its configuration; made when missing. */
  readonly dataDir: string;
  /** Of Postgres. */
  readonly url: string;
  /** Passwords by user, as both PgBouncer and Postgres ask for them. */
  readonly users: ReadonlyMap<string, string>;
  /** To Postgres, for each user and database. */
  readonly connections: number;
  readonly log?: (line: string) => void;
}

const NOBODY = 65_534;

/** Starts PgBouncer on loopback in transaction mode, before a Postgres; its `url` is the given one at its own port. */
export async function startPgBouncer(options: PgBouncerOptions): Promise<LocalServer> {
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  const users = join(dataDir, 'users.txt');
  const config = join(dataDir, 'pgbouncer.ini');
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const lines = [...options.users].map(([user, password]) => `${quoted(user)} ${quoted(password)}\n`);
  await writeFile(users, lines.join(''), { mode: 0o600 });
  const port = await freePort();
  const { hostname, port: target } = new URL(options.url);
  const isRoot = process.getuid?.() === 0;
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    pool_mode: 'transaction',
    default_pool_size: options.connections,
    max_client_conn: 500,
    auth_type: 'scram-sha-256',
    auth_file: users,
    // It refuses to be root, and reads its files again as who it then is.
    ...(isRoot && { user: 'nobody' }),
  };
  await writeFile(
    config,
    [
      '[databases]',
      `* = host=${hostname} port=${target}`,
      '[pgbouncer]',
      ...Object.entries(settings).map(([key, value]) => `${key} = ${value}`),
    ].join('\n'),
    { mode: 0o600 },
  );
  if (isRoot) for (const path of [users, config]) await chown(path, NOBODY, NOBODY);
  const server = await ServerProcess.spawn(
    { file: '/usr/bin/env', args: [`LD_LIBRARY_PATH=${librariesOf(options.file)}`, options.file, config] },
    options.log,
  );
  await server.ready('PgBouncer', () => answers(port));
  return {
    url: Object.assign(new URL(options.url), { port: `${port}` }).href,
    port,
    pid: server.pid,
    exited: server.exited,
    stop: () => server.stop(['SIGINT', 3000]),
  };
}

/** Of a package that was unpacked and not installed: beside it. */
function librariesOf(file: string): string {
  const lib = join(dirname(file), '..', 'lib');
  const folders = existsSync(lib) ? readdirSync(lib).filter((name) => name.endsWith('-linux-gnu')) : [];
  return folders.map((name) => join(lib, name)).join(':');
}

async function answers(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await new Promise<void>((done, failed) => {
      socket.once('connect', done);
      socket.once('error', failed);
    });
  } finally {
    socket.destroy();
  }
}
