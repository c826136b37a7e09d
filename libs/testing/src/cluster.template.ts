import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPostgres } from '@solopo/local-servers';

const run = promisify(execFile);

/** The cluster that the tests of one vitest process begin with. */
const templateOf = (vitest: number): string => join(tmpdir(), `solopo-cluster-${vitest}`);

/**
 * Gives a server of the tests its files. The first one makes them, which takes a processor's second; all others copy.
 * Outside of vitest, which removes them at the end, each server makes its own.
 */
export async function fillFromTemplate(dataDir: string, settings: Readonly<Record<string, string>>): Promise<void> {
  if (process.env['VITEST'] === undefined || process.platform === 'win32') return;
  const template = templateOf(process.ppid);
  if (!(await exists(template))) await make(template, settings);
  await run('cp', ['-a', template, dataDir]);
}

/** vitest's `globalSetup`. */
export function teardown(): void {
  rmSync(templateOf(process.pid), { recursive: true, force: true });
}

async function make(template: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const own = `${template}.${process.pid}`;
  await mkdir(own, { recursive: true });
  const server = await startPostgres({ dataDir: own, settings });
  await server.stop();
  // Another test may have been faster.
  await rename(own, template).catch(() => rm(own, { recursive: true, force: true }));
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
