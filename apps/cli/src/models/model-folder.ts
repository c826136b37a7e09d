import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const MAGIC = 'GGUF';

/** Uses a model folder; a GGUF file is first made one, which is taken away afterwards. */
export async function withModelFolder<T>(
  path: string,
  say: (line: string) => void,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  if (!(await isGguf(path))) return use(path);
  const scratch = await mkdtemp(join(tmpdir(), 'solopo-gguf-'));
  try {
    const { convertGguf } = await import('../convert/convert-gguf.ts');
    const folder = join(scratch, 'model');
    const { source } = await convertGguf({ file: path, out: folder });
    say(`${basename(path)}: dequantised from GGUF ${source.file_type} to float32`);
    return await use(folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** By its name, so that a damaged one is called that; or by its first bytes. */
async function isGguf(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return false;
  if (/\.gguf$/i.test(path)) return true;
  return found?.isFile() === true && (await firstBytes(path)) === MAGIC;
}

async function firstBytes(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(MAGIC.length), position: 0 });
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}
