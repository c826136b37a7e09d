import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

/**
 * Packages of Debian unpacked into the folder, which is made anew: installing would start services of the system. False where that
 * cannot be.
 *
 * @param {readonly string[]} packages
 * @param {string} home
 */
export function unpackDebian(packages, home) {
  if (run('apt-get', ['--version']).status !== 0) return false;
  console.error(`Fetching ${packages[0]}, once (apt-get download)`);
  const staging = `${home}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  try {
    const download = () => run('apt-get', ['download', '-q', ...packages], { cwd: staging }).status === 0;
    if (!download() && !(process.getuid() === 0 && run('apt-get', ['update', '-q']).status === 0 && download()))
      return false;
    const archives = readdirSync(staging).filter((name) => name.endsWith('.deb'));
    const unpacked = archives.every((name) => run('dpkg-deb', ['-x', join(staging, name), staging]).status === 0);
    if (archives.length < packages.length || !unpacked) return false;
    rmSync(home, { recursive: true, force: true });
    renameSync(staging, home);
    return true;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
