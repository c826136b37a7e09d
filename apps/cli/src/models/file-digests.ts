import { FileThread } from './file-thread.ts';

/** The SHA-256 of files. */
export class FileDigests extends FileThread<string> {
  constructor(paths: readonly string[]) {
    super('digest.worker', paths, paths);
  }
}
