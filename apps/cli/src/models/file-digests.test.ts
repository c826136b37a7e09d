import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FileDigests } from './file-digests.ts';

const folder = mkdtempSync(join(tmpdir(), 'solopo-digests-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(bytes: number): { path: string; digest: string } {
  const [path, content] = [join(folder, `${bytes}`), randomBytes(bytes)];
  writeFileSync(path, content);
  return { path, digest: createHash('sha256').update(content).digest('hex') };
}

describe('digests of files', () => {
  it('are those of their bytes, of none, of one piece and of several', async () => {
    const files = [file(0), file(10), file(4 << 20), file((8 << 20) + 3)];
    const digests = new FileDigests(files.map(({ path }) => path));
    for (const { path, digest } of files.toReversed()) expect(await digests.of(path)).toBe(digest);
    await digests.close();
  });

  it('of a file that cannot be read is its fault; those before it are known', async () => {
    const first = file(1);
    const digests = new FileDigests([first.path, join(folder, 'nothing')]);
    expect(await digests.of(first.path)).toBe(first.digest);
    await expect(digests.of(join(folder, 'nothing'))).rejects.toThrow(/ENOENT/);
    await digests.close();
  });
});
