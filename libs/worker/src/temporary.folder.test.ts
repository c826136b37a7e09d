import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { clearTemporaryFolders, makeTemporaryFolder } from './temporary.folder.ts';

let root: string;
beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), 'solopo-temporary-'))));
afterEach(() => rm(root, { recursive: true }));

it('what a killed worker left is removed at the next start on the machine; nobody else’s is', async () => {
  const mine = await makeTemporaryFolder('slice', root);
  await writeFile(join(mine, 'weights'), 'of a job that goes on');
  const killed = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
  await once(killed, 'spawn');
  const theirs = mine.replace(`-${process.pid}-`, `-${killed.pid}-`);
  await mkdir(theirs);
  await writeFile(join(theirs, 'weights'), 'half of them');
  await mkdir(theirs.replace(`-${hostname()}-`, '-another.host-'));
  await writeFile(join(root, 'something else'), '');

  await clearTemporaryFolders(root);
  expect(await readdir(root)).toHaveLength(4);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  await clearTemporaryFolders(root);
  const left = await readdir(root);
  expect(left).toContain(basename(mine));
  expect(left).not.toContain(basename(theirs));
  expect(left).toHaveLength(3);
});
