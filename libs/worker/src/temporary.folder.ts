import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

/** `solopo-worker-HOST-PID-slice-x7Gh2k`: whose it is. Hosts that share the folder tell nothing of each other's processes. */
const OURS = `solopo-worker-${hostname()}-`;

/** A folder for the files of a job, which removes it. What a killed process leaves is removed by the next one on this machine. */
export async function makeTemporaryFolder(purpose: string, root = tmpdir()): Promise<string> {
  return mkdtemp(join(root, `${OURS}${process.pid}-${purpose}-`));
}

/** Removes what processes left that are gone. */
export async function clearTemporaryFolders(root = tmpdir()): Promise<void> {
  for (const name of await readdir(root)) {
    if (!name.startsWith(OURS) || isAlive(Number.parseInt(name.slice(OURS.length), 10))) continue;
    // Somebody else's, or gone: not worth a start that fails.
    await rm(join(root, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
