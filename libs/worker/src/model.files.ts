import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore, isLostArtifact } from '@solopo/artifacts';
import {
  SolopoError,
  type AdapterConfig,
  type FrozenWeightsConfig,
  type Precision,
  type SamplingWeightsConfig,
} from '@solopo/contracts';
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

  /** A path to the content of an artifact. @param what it is, for whoever reads of its damage */
  async artifact(digest: string, what = 'The weights of a policy'): Promise<string> {
    return join(await toldAs(what, this.artifacts.materialize({ [WEIGHTS]: digest })), WEIGHTS);
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
    const { name, files } = await this.ledger.models.require(model);
    return toldAs(`A file of the model ${name}`, this.artifacts.materialize(files));
  }
}

/** An artifact has no name but its digest: whoever must restore it is told what it is. */
async function toldAs<T>(what: string, reading: Promise<T>): Promise<T> {
  return reading.catch((error: unknown) => {
    if (!isLostArtifact(error)) throw error;
    throw new SolopoError(error.code, `${what}: ${error.message}`, { cause: error });
  });
}
