import { execFile } from 'node:child_process';
import { hostname } from 'node:os';
import { promisify } from 'node:util';

/** As attempts and leases name a worker. */
export const workerOf = (pid: number): string => `${hostname()}:${pid}`;

export const pidOf = (worker: string): number => Number(worker.split(':').at(-1));

/** Of a worker's processes the one that computes. */
export async function engineOf(pid: number): Promise<number | undefined> {
  const found = await promisify(execFile)('pgrep', ['-P', String(pid), '-f', 'engine.child']).catch(() => ({
    stdout: '',
  }));
  return found.stdout.split('\n').filter(Boolean).map(Number)[0];
}
