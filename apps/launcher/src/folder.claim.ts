import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { identify, isAlive, type ProcessIdentity } from './process.identity.ts';

/** Beside what the launcher keeps of its processes: that is written once what an earlier one left is cleared. */
export const CLAIM = 'launcher.lock';

/**
 * Makes this process the only launcher of the folder, or gives the one that is. A link to nowhere that names the process: it is made
 * whole or not at all, and who is gone holds nothing.
 */
export function claimFolder(dataDir: string): ProcessIdentity | undefined {
  const [path, own] = [join(dataDir, CLAIM), identify(process.pid)];
  if (own === undefined) throw new Error('This system does not tell when a process began; run on Linux or macOS.');
  mkdirSync(dataDir, { recursive: true });
  for (;;) {
    if (didMake(path, own)) return undefined;
    const holder = holderOf(path);
    if (holder !== undefined && isAlive(holder)) return holder;
    // Of several that find it stale one takes it away; another may take away the first's new one, and gives it back.
    const aside = `${path}.${process.pid}`;
    if (!didRename(path, aside)) continue;
    const taken = holderOf(aside);
    rmSync(aside, { force: true });
    if (taken === undefined || !isAlive(taken)) continue;
    didMake(path, taken);
    return taken;
  }
}

export function releaseFolder(dataDir: string): void {
  rmSync(join(dataDir, CLAIM), { force: true });
}

function didMake(path: string, { pid, began }: ProcessIdentity): boolean {
  return unless('EEXIST', () => symlinkSync(`${pid} ${began}`, path));
}

function didRename(from: string, to: string): boolean {
  return unless('ENOENT', () => renameSync(from, to));
}

function unless(code: string, act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return false;
    throw error;
  }
}

function holderOf(path: string): ProcessIdentity | undefined {
  try {
    const [, pid, began] = /^(\d+) (.+)$/.exec(readlinkSync(path)) ?? [];
    return pid === undefined || began === undefined ? undefined : { pid: Number(pid), began };
  } catch {
    return undefined;
  }
}
