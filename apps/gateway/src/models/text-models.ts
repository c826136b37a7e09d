import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { Ledger } from '@solopo/ledger';
import { TEXT_FILES, TextModel } from '@solopo/text';

const KEPT = 2;

/** Tokenizers of registered models. A big one takes a second to open, so the last few stay open. */
@Injectable()
export class TextModels {
  readonly #open = new Map<string, Promise<TextModel>>();

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
  ) {}

  async of(digest: string): Promise<TextModel> {
    const open = this.#open.get(digest) ?? this.#read(digest);
    this.#open.delete(digest);
    this.#open.set(digest, open);
    for (const oldest of [...this.#open.keys()].slice(0, -KEPT)) this.#open.delete(oldest);
    open.catch(() => this.#open.delete(digest));
    return open;
  }

  async #read(digest: string): Promise<TextModel> {
    const { files } = await this.ledger.models.require(digest);
    const texts = TEXT_FILES.flatMap((file) => (files[file] === undefined ? [] : [[file, files[file]] as const]));
    return this.artifacts.during(async () =>
      TextModel.fromFolder(await this.artifacts.materialize(Object.fromEntries(texts))),
    );
  }
}
