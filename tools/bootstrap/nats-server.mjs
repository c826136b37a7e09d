import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { unpackDebian } from './debian.mjs';
import { fail, ROOT, run } from './run.mjs';

const HOME = join(ROOT, '.solopo', 'nats-server');

/** Where packages put servers that an ordinary user's PATH may lack. */
const FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin', join(HOME, 'usr', 'sbin')];

/** The file of nats-server: the named one, the system's, or Debian's package unpacked into a folder of ours. */
export function findNatsServer() {
  const named = process.env.SOLOPO_NATS_SERVER;
  if (named)
    return isExecutable(named)
      ? named
      : fail(`SOLOPO_NATS_SERVER names ${named}, which cannot be executed; name another file, or unset it.`);
  return (
    find() ??
    (unpackDebian(['nats-server'], HOME) ? find() : undefined) ??
    fail(`nats-server was not found. ${howToInstall()} Then run this again.`)
  );
}

function find() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...FOLDERS];
  return folders.map((folder) => join(folder, 'nats-server')).find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function howToInstall() {
  const sudo = process.getuid() === 0 ? '' : 'sudo ';
  const commands = {
    'apt-get': `${sudo}apt-get update && ${sudo}apt-get install -y nats-server`,
    brew: 'brew install nats-server',
    apk: `${sudo}apk add nats-server`,
    pacman: `${sudo}pacman -S nats-server`,
    zypper: `${sudo}zypper install nats-server`,
  };
  const manager = Object.keys(commands).find((program) => run(program, ['--version']).status === 0);
  if (manager !== undefined) return `Install it: ${commands[manager]}`;
  return 'Download it from https://github.com/nats-io/nats-server/releases and name its file in SOLOPO_NATS_SERVER.';
}
