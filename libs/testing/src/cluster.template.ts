import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPostgres } from '@solopo/local-servers';

const run = promisify(execFile);

/** Names the cluster that all tests of one vitest process begin with, to processes that they start too. */
const TEMPLATE = 'SOLOPO_TEST_CLUSTER';

/**
 * Gives a server of the tests its files. The first one makes them, which takes a processor's second; all others copy.
 * Outside of vitest, which removes them at the end, each server makes its own.
 */
export async function fillFromTemplate(dataDir: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const template = process.env[TEMPLATE];
  if (template === undefined || process.platform === 'win32') return;
  if (!(await exists(template))) await make(template, settings);
  await run('cp', ['-a', template, dataDir]);
}

/** vitest's `globalSetup`, before and after all tests. */
export function setup(): void {
  process.env[TEMPLATE] = join(tmpdir(), `solopo-cluster-${process.pid}`);
}

export function teardown(): void {
  rmSync(process.env[TEMPLATE] ?? '', { recursive: true, force: true });
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
