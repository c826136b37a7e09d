import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { ArtifactStore, demandExpected, missing, type ArtifactSource, type StoredArtifact } from './artifact.store.ts';
import { ContentFolder, write } from './content.folder.ts';
import { diskFault } from './disk.fault.ts';
import { verified } from './verified.ts';

/** The store in a directory that all services share, which may be a volume of many writers. */
export class FolderStore extends ArtifactStore {
  private constructor(private readonly folder: ContentFolder) {
    super();
  }

  static async open(root: string): Promise<FolderStore> {
    return new FolderStore(await ContentFolder.open(root));
  }

  describe(): string {
    // Where it is is not told to those who have no token.
    return 'a folder';
  }

  path(digest: string): string {
    return this.folder.path(digest);
  }

  has(digest: string): Promise<boolean> {
    return this.folder.has(digest);
  }

  async size(digest: string): Promise<number> {
    if (!(await this.has(digest))) throw missing(digest);
    return (await stat(this.path(digest))).size;
  }

  async put(source: ArtifactSource, expected?: string): Promise<StoredArtifact> {
    const partial = this.folder.partial();
    try {
      const stored = await write(partial, source);
      demandExpected(stored.digest, expected);
      await this.folder.keep(partial, stored.digest);
      return stored;
    } catch (error) {
      await rm(partial, { force: true });
      throw diskFault(error, `The artifact store ${this.folder.root}`);
    }
  }

  demandWhole(digest: string): Promise<void> {
    return this.folder.demandWhole(digest);
  }

  async open(digest: string): Promise<Readable> {
    await this.demandWhole(digest);
    return Readable.from(verified(createReadStream(this.path(digest)), digest), { objectMode: false });
  }

  materialize(files: Readonly<Record<string, string>>): Promise<string> {
    return this.folder.show(files);
  }

  during<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  scratch<T>(work: (path: string) => Promise<T>): Promise<T> {
    return this.folder.scratch(work);
  }
}
