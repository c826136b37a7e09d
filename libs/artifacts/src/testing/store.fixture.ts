import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startS3, type TestS3 } from '@solopo/testing';
import type { ArtifactSettings } from '../open-artifacts.ts';

export const KINDS = ['folder', 'bucket'] as const;

/** An empty place for a store, and what one can do to it from outside. */
export interface Place {
  readonly settings: ArtifactSettings;
  /** Of this machine: the store's, or its cache. */
  readonly folder: string;
  /** Names of all files that the store keeps, and of those that are being written. */
  files(): Promise<string[]>;
  /** Other bytes in place of an artifact's. */
  damage(digest: string, content: string): Promise<void>;
}

/** Places of one kind, over one server where they need one. */
export class Places {
  readonly #folders: string[] = [];
  #server: TestS3 | undefined;

  constructor(private readonly kind: (typeof KINDS)[number]) {}

  async start(): Promise<void> {
    if (this.kind === 'bucket') this.#server = await startS3();
  }

  async make(): Promise<Place> {
    const folder = await mkdtemp(join(tmpdir(), 'solopo-artifacts-'));
    this.#folders.push(folder);
    const common = { artifactsPathStyle: 'auto', artifactsCache: folder, artifactsCacheMb: 100 } as const;
    if (this.#server === undefined) {
      const content = join(folder, 'content');
      return placeOf(folder, content, { ...common, artifacts: folder });
    }
    const { settings, objects } = this.#server;
    const prefix = randomUUID();
    const artifacts = `${settings.artifacts}/${prefix}`;
    return placeOf(folder, join(objects, prefix), { ...common, ...settings, artifacts });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}

function placeOf(folder: string, content: string, settings: ArtifactSettings): Place {
  return {
    settings,
    folder,
    files: async () => (await Promise.all([content, join(folder, 'partial')].map(filesUnder))).flat(),
    damage: async (digest, bytes) => {
      const path = join(content, digest.slice(0, 2), digest);
      await chmod(path, 0o644);
      await writeFile(path, bytes);
    },
  };
}

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}
