import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { createModelSchema, digestOf, SolopoError, type ModelView } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG } from '@solopo/platform';
import type { z } from 'zod';
import type { GatewayConfig } from '../gateway.config.ts';
import { checkModel, readSource } from './check-model.ts';

type Command = z.infer<typeof createModelSchema>;

@Injectable()
export class RegisterModel {
  constructor(
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  /** The same files under the same name are the same model, however often they are registered. */
  async execute({ name, files }: Command): Promise<ModelView> {
    await this.#demandArtifacts(files);
    const has = new Set(this.config.pools.flatMap(({ engines }) => engines));
    const { config, parameters, warnings, engines, source } = await this.artifacts.during(async () => {
      const folder = await this.artifacts.materialize(files);
      return { ...(await checkModel(folder, has)), source: await readSource(folder) };
    });
    const digest = digestOf(files);
    await this.ledger.transaction(async (tx) => {
      // They may have been there unneeded for long.
      await tx.keepArtifacts();
      await this.#demandArtifacts(files);
      await tx.models.register({
        digest,
        name,
        family: config.family,
        config: { ...config, ...(source && { source }), warnings, engines },
        files,
        parameters,
      });
    });
    return this.#registered(digest, name);
  }

  async #demandArtifacts(files: Command['files']): Promise<void> {
    for (const [file, digest] of Object.entries(files)) {
      if (await this.artifacts.has(digest)) continue;
      throw new SolopoError(
        'model-invalid',
        `${file}: there is no artifact ${digest}; upload it with POST /v1/artifacts first.`,
      );
    }
  }

  async #registered(digest: string, name: string): Promise<ModelView> {
    const models = await this.ledger.models.list();
    return models.find((model) => model.digest === digest && model.name === name) ?? this.ledger.models.require(digest);
  }
}
