import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const MAGIC = 'GGUF';

export interface ModelFolder {
  readonly path: string;
  /** Takes away what was made for this use alone. */
  dispose(): Promise<void>;
}

/** A model folder as it is; a GGUF file as the folder that is made of it. */
export async function openModelFolder(path: string, say: (line: string) => void): Promise<ModelFolder> {
  if (!(await isGguf(path))) return { path, dispose: () => Promise.resolve() };
  const scratch = await mkdtemp(join(tmpdir(), 'solopo-gguf-'));
  const dispose = () => rm(scratch, { recursive: true, force: true });
  try {
    const { convertGguf } = await import('../convert/convert-gguf.ts');
    const folder = join(scratch, 'model');
    const { source } = await convertGguf({ file: path, out: folder });
    say(`${basename(path)}: dequantised from GGUF ${source.file_type} to float32`);
    return { path: folder, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

export async function withModelFolder<T>(
  opened: Promise<ModelFolder>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await opened;
  try {
    return await use(folder.path);
  } finally {
    await folder.dispose();
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
