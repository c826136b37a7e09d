// node deploy/try-image.mjs FOLDER: runs the whole system from an unpacked image, as its user, on a read-only root, without
// a container engine (bubblewrap), over a Postgres and a NATS of this workspace; then the round trip. FOLDER is the image's root:
//
//     cp -a $(buildah mount $(buildah from solopo:0.1.0)) FOLDER
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, startNats, startPostgres } from '@solopo/local-servers';
import { findNatsServer } from '../tools/bootstrap/nats-server.mjs';

const USER = 1000;
const PATH = '/usr/local/bin:/usr/bin:/bin';
const TOKEN = 'a-token-for-this-one-trial-of-the-image';

const [root] = process.argv.slice(2);
if (root === undefined || !existsSync(join(root, 'app/apps/gateway/dist/main.js')))
  throw new Error("Name the image's root: node deploy/try-image.mjs FOLDER.");

process.env.SOLOPO_NATS_SERVER = findNatsServer();
const data = await mkdtemp(join(tmpdir(), 'solopo-image-'));
// For the image's user.
chmodSync(data, 0o755);
const artifacts = join(data, 'artifacts');
mkdirSync(artifacts);
chownSync(artifacts, USER, USER);
const postgres = await startPostgres({ dataDir: join(data, 'postgres') });
const nats = await startNats({ dataDir: join(data, 'nats') });
const running = [];

/** Nothing of this machine but the image, a /tmp in memory, the artifacts and the network. */
function inImage(args, env) {
  const sandbox = [
    ...['--ro-bind', root, '/', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp'],
    ...['--bind', artifacts, '/var/lib/solopo/artifacts', '--chdir', '/app'],
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--uid', `${USER}`, '--gid', `${USER}`],
    ...['--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--clearenv'],
    ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
  return spawn('bwrap', [...sandbox, '/usr/local/bin/node', '--enable-source-maps', ...args], {
    uid: USER,
    gid: USER,
    stdio: 'inherit',
  });
}

async function demand(what, child) {
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${what} ended with ${code}.`);
}

try {
  const own = async () => ({
    PATH,
    NODE_ENV: 'production',
    SOLOPO_DATABASE_URL: postgres.url,
    SOLOPO_NATS_URL: nats.url,
    SOLOPO_ARTIFACTS: '/var/lib/solopo/artifacts',
    SOLOPO_LOG_LEVEL: 'warn',
    SOLOPO_HTTP_HOST: '127.0.0.1',
    SOLOPO_HTTP_PORT: `${await freePort()}`,
  });
  const writes = "require('fs').writeFileSync('/app/x', '')";
  const write = inImage(
    ['--eval', `try { ${writes}; process.exit(1) } catch (error) { console.log(error.message) }`],
    {},
  );
  await demand('Writing to the root', write);
  await demand('The migrator', inImage(['apps/migrator/dist/main.js'], await own()));
  const gateway = { ...(await own()), SOLOPO_AUTH: 'required', SOLOPO_ADMIN_TOKEN: TOKEN };
  running.push(inImage(['apps/gateway/dist/main.js'], gateway));
  for (const app of ['datagen', 'reward', 'trainer']) running.push(inImage([`apps/${app}/dist/main.js`], await own()));
  const api = `http://127.0.0.1:${gateway.SOLOPO_HTTP_PORT}`;
  for (let tries = 0; ; tries++) {
    const ready = await fetch(`${api}/readyz`).catch(() => undefined);
    if (ready?.ok) break;
    if (tries > 600) throw new Error('The gateway was not ready after five minutes.');
    await sleep(500);
  }
  await demand('The health check', inImage(['deploy/healthcheck.mjs'], gateway));
  const client = { PATH, SOLOPO_API: api, SOLOPO_TOKEN: TOKEN };
  await demand('The round trip', inImage(['deploy/round-trip.mjs'], client));
  console.log('The image runs, as an ordinary user, on a read-only root.');
} finally {
  await Promise.all(
    running.filter(({ exitCode }) => exitCode === null).map((child) => (child.kill('SIGTERM'), once(child, 'exit'))),
  );
  await nats.stop();
  await postgres.stop();
  await rm(data, { recursive: true, force: true });
}
