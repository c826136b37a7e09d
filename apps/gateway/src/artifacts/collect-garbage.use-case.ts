import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore, type KeptArtifact } from '@solopo/artifacts';
import type { CollectGarbage as Asked, Garbage } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';

/** Removed at a time, while no model can be registered. */
const BATCH = 200;
const HOUR_MS = 3_600_000;

/**
 * Removes artifacts that no row of the ledger names. A fresh one stays: a trainer stores what a slice came to, and commits the rows that name
 * it a moment later; after an outage it stores it again, which makes it fresh. An old one that somebody refers to now is locked
 * against: the reference is there, or it is refused.
 */
@Injectable()
export class CollectGarbage {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
  ) {}

  async execute({ dryRun, graceHours }: Asked): Promise<Garbage> {
    const before = Date.now() - graceHours * HOUR_MS;
    const references = await this.ledger.artifactReferences.all();
    const counts = { referenced: 0, fresh: 0 };
    const unneeded: KeptArtifact[] = [];
    for await (const artifact of this.artifacts.list()) {
      if (references.has(artifact.digest)) counts.referenced += 1;
      else if (artifact.storedAt.getTime() > before) counts.fresh += 1;
      else unneeded.push(artifact);
    }
    const removed = dryRun ? unneeded : await this.#remove(unneeded);
    const bytes = removed.reduce((sum, artifact) => sum + artifact.bytes, 0);
    return { dryRun, ...counts, unneeded: removed.length, bytes };
  }

  async #remove(unneeded: readonly KeptArtifact[]): Promise<KeptArtifact[]> {
    const removed: KeptArtifact[] = [];
    for (let from = 0; from < unneeded.length; from += BATCH)
      await this.ledger.transaction(async (tx) => {
        await tx.holdReferences();
        const references = await tx.artifactReferences.all();
        for (const artifact of unneeded.slice(from, from + BATCH))
          if (!references.has(artifact.digest) && (await this.artifacts.remove(artifact))) removed.push(artifact);
      });
    return removed;
  }
}
