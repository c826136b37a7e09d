import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import {
  ArtifactStore,
  demandExpected,
  missing,
  type ArtifactSource,
  type KeptArtifact,
  type StoredArtifact,
} from './artifact.store.ts';
import { ContentFolder, write } from './content.folder.ts';
import { diskFault, isFullDisk } from './disk.fault.ts';
import { Room } from './room.ts';
import { verified } from './verified.ts';

/** The store in a directory that all services share, which may be a volume of many writers. */
export class FolderStore extends ArtifactStore {
  readonly #name: string;
  readonly #room: Room;

  private constructor(private readonly folder: ContentFolder) {
    super();
    this.#name = `The artifact store ${folder.root}`;
    // As in a report: where it is is not told there.
    this.#room = new Room(folder.root, 'The artifact store');
  }

  static async open(root: string): Promise<FolderStore> {
    return new FolderStore(await ContentFolder.open(root));
  }

  describe(): string {
    // Where it is is not told to those who have no token.
    return 'a folder';
  }

  demandRoom(): Promise<void> {
    return this.#room.demand();
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
      this.#room.taken(stored.bytes);
      return stored;
    } catch (error) {
      if (isFullDisk(error)) this.#room.refused(await sizeOf(partial));
      await rm(partial, { force: true });
      throw diskFault(error, this.#name);
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
    return this.#onDisk(() => this.folder.show(files));
  }

  during<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  list(): AsyncIterable<KeptArtifact> {
    return this.folder.list();
  }

  remove({ digest, storedAt }: KeptArtifact): Promise<boolean> {
    return this.folder.remove(digest, storedAt);
  }

  scratch<T>(work: (path: string) => Promise<T>): Promise<T> {
    return this.#onDisk(() => this.folder.scratch(work));
  }

  async #onDisk<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw diskFault(error, this.#name);
    }
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
