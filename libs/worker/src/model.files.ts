import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import type { AdapterConfig, FrozenWeightsConfig, Precision, SamplingWeightsConfig } from '@solopo/contracts';
import type { ModelSource } from '@solopo/engine';
import { Ledger } from '@solopo/ledger';
import { TextModel } from '@solopo/text';

const WEIGHTS = 'model.safetensors';

export interface PolicyOfModel {
  /** A policy version's weights, or its adapter where the run has one; the model itself when it is the model's own digest. */
  readonly policy?: string | undefined;
  readonly adapter?: AdapterConfig | null | undefined;
  readonly frozenWeights?: FrozenWeightsConfig | undefined;
  /** For answers alone. */
  readonly samplingWeights?: SamplingWeightsConfig | undefined;
  readonly precision?: Precision | undefined;
}

/** Registered models as folders on this machine's disk, and their tokenizers. */
@Injectable()
export class ModelFiles {
  readonly #texts = new Map<string, Promise<TextModel>>();

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
  ) {}

  /** What is handed out within the work stays on this machine's disk until the work is done. Jobs are such works. */
  during<T>(work: () => Promise<T>): Promise<T> {
    return this.artifacts.during(work);
  }

  async source(
    model: string,
    { policy = model, adapter = null, frozenWeights, samplingWeights, precision }: PolicyOfModel = {},
  ): Promise<ModelSource> {
    const folder = await this.folder(model);
    const format = {
      ...(frozenWeights === undefined ? {} : { frozenWeights }),
      ...(samplingWeights === undefined ? {} : { samplingWeights }),
      ...(precision === undefined ? {} : { precision }),
    };
    if (policy === model) return { folder, ...format };
    const weights = await this.artifact(policy);
    return adapter ? { folder, adapter: { options: adapter, weights }, ...format } : { folder, weights, ...format };
  }

  /** A path to the content of an artifact. */
  async artifact(digest: string): Promise<string> {
    return join(await this.artifacts.materialize({ [WEIGHTS]: digest }), WEIGHTS);
  }

  text(model: string): Promise<TextModel> {
    let text = this.#texts.get(model);
    if (!text) {
      text = this.folder(model).then((folder) => TextModel.fromFolder(folder));
      text.catch(() => this.#texts.delete(model));
      this.#texts.set(model, text);
    }
    return text;
  }

  /** How many tokens it was made for; without limit where its configuration does not say. */
  async positions(model: string): Promise<number> {
    const { maxPositions } = (await this.ledger.models.require(model)).config;
    return typeof maxPositions === 'number' ? maxPositions : Infinity;
  }

  /** All its files. */
  async folder(model: string): Promise<string> {
    const { files } = await this.ledger.models.require(model);
    return this.artifacts.materialize(files);
  }
}
