import { Inject, Injectable } from '@nestjs/common';
import type { EvidencePlaces, StageSpecOf } from '@solopo/contracts';
import { evidencePlaceAt } from '@solopo/corpus';
import { Ledger } from '@solopo/ledger';

const BATCH = 200;

@Injectable()
export class PlaceEvidence {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  /**
   * Where the evidence of each evaluated question stood: contexts of evaluations are not kept, but their order follows
   * from seed and example.
   */
  async execute(run: string): Promise<readonly EvidencePlaces[]> {
    await this.ledger.runs.require(run);
    const specs = new Map(
      (await this.ledger.runs.stages(run)).flatMap(({ spec, state }) =>
        spec.kind === 'evaluate' && state === 'done' ? [[spec.documents, spec] as const] : [],
      ),
    );
    const lengths = [...specs.values()].sort((a, b) => a.documents - b.documents);
    return Promise.all(lengths.map(async (spec) => ({ documents: spec.documents, places: await this.#places(spec) })));
  }

  async #places({ dataset, documents, questions, seed }: StageSpecOf<'evaluate'>): Promise<number[]> {
    const { examples } = await this.ledger.datasets.require(dataset);
    const end = Math.min(questions ?? examples, examples);
    const places: number[] = [];
    for (let from = 0; from < end; from += BATCH) {
      const batch = await this.ledger.datasets.examples(dataset, { from, to: Math.min(end, from + BATCH) });
      for (const { content } of batch) {
        const place = evidencePlaceAt(content, documents, { seed });
        if (typeof place === 'number') places.push(Math.round(place * 1e4) / 1e4);
      }
    }
    return places;
  }
}
