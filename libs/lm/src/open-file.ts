import { closeSync, fstatSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { ModelError } from './model.error.ts';

/** A file to be read. @throws ModelError where there is none, or a folder in its place */
export function openFile(path: string): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new ModelError(`${basename(path)}: cannot be read (${(error as Error).message}); name an existing file`, {
      cause: error,
    });
  }
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw new ModelError(`${basename(path)}: not a file, but a folder or a device; name a file`);
}
