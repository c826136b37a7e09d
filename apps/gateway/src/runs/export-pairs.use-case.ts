import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type StageSpecOf } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { TextModels } from '../models/text-models.ts';
import { demandTrlTexts, PAIR_FORMATS, type PairFormat, type PairSource } from './pair-formats.ts';

interface Query {
  readonly run: string;
  readonly format: PairFormat;
  readonly split: 'training' | 'held-out';
  readonly context: 'short' | 'long';
}

const BATCH = 100;

@Injectable()
export class ExportPairs {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(TextModels) private readonly texts: TextModels,
  ) {}

  /** JSON lines. What is wrong with the request shows before the first of them. */
  async execute(query: Query): Promise<AsyncIterable<string>> {
    const { id, resolved, config } = await this.ledger.runs.require(query.run);
    const pairing = (await this.ledger.runs.stages(id)).find(({ kind }) => kind === 'pair');
    if (pairing?.state !== 'done')
      throw new SolopoError('conflict', `Run ${id} has no pairs yet; ask again when its pair stage is done.`);
    const { sample, pairing: rules } = pairing.spec as StageSpecOf<'pair'>;
    if (rules.mode === 'samples')
      throw new SolopoError(
        'conflict',
        `Run ${id} has answers without a rejected one, and these formats are of preferences; read them with GET /v1/runs/{id}/pairs.`,
      );
    const source = { text: await this.texts.of(resolved.model), prompt: config.prompt };
    if (query.format === 'trl') {
      // Before there was a choice, what was cut was given an end.
      const cut = rules.cutAnswers === undefined ? 0 : await this.ledger.pairs.cutAnswers(pairing.digest, sample);
      demandTrlTexts(source.text, cut);
    }
    const lines = this.#lines(query, pairing.digest, resolved.dataset, source);
    return resumed(await lines.next(), lines);
  }

  async *#lines(
    { format, split, context }: Query,
    stage: string,
    dataset: string,
    source: PairSource,
  ): AsyncGenerator<string, void, undefined> {
    for (let from = 0; ; from += BATCH) {
      const pairs = await this.ledger.pairs.list(stage, split, { from, to: from + BATCH });
      if (pairs.length === 0) return;
      const questions = await this.ledger.datasets.questions(
        dataset,
        pairs.map(({ position }) => position),
      );
      for (const { position, chosen, rejected, ...pair } of pairs) {
        const tokens = { question: questions.get(position) ?? '', context: pair[context], chosen, rejected };
        yield `${JSON.stringify(PAIR_FORMATS[format](tokens, source))}\n`;
      }
    }
  }
}

async function* resumed(
  first: IteratorResult<string, void>,
  rest: AsyncGenerator<string, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}
