import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type StageKind, type StageSpecOf } from '@solopo/contracts';
import { promptMessages, quoted } from '@solopo/corpus';
import { Ledger, type PairRecord } from '@solopo/ledger';
import { ModelFiles } from '@solopo/worker';
import { evidencePlace } from './held-out-metrics.ts';

export interface HeldOutContext {
  /** The question without any document. */
  readonly bare: Int32Array;
  /** Where the evidence lies in the long context: from 0, its start, to 1; null where nothing is known of it. */
  readonly evidence: number | null;
}

/** What the metrics of held-out pairs need to know of the contexts they came from. */
@Injectable()
export class HeldOutContexts {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
  ) {}

  async read(pairStage: string, pairs: readonly PairRecord[]): Promise<HeldOutContext[]> {
    const { sample } = await this.#spec(pairStage, 'pair');
    const { compose } = await this.#spec(sample, 'sample');
    const { dataset, model, prompt } = await this.#spec(compose, 'compose');
    const text = await this.models.text(model);
    const positions = pairs.map(({ position }) => position);
    const range = { from: Math.min(...positions), to: Math.max(...positions) + 1 };
    const examples = new Map(
      (await this.ledger.datasets.examples(dataset, range)).map(({ position, content }) => [position, content]),
    );
    const contexts = new Map(
      (await this.ledger.contexts.assigned(compose, 'long', range)).map((context) => [context.position, context]),
    );
    return positions.map((position) => {
      const [example, context] = [examples.get(position), contexts.get(position)];
      if (example === undefined || context === undefined)
        throw new SolopoError('internal', `The pair of example ${position} has no context; report this as a defect.`);
      return {
        bare: text.promptTokens(promptMessages(quoted(example.question, prompt, text), '', prompt)),
        evidence: evidencePlace(context.evidence, context.tokens.length),
      };
    });
  }

  async #spec<K extends StageKind>(digest: string, kind: K): Promise<StageSpecOf<K>> {
    const { spec } = await this.ledger.stages.require(digest);
    if (spec.kind !== kind)
      throw new SolopoError(
        'internal',
        `Stage ${digest} is a ${spec.kind} stage where a ${kind} stage was expected; report this as a defect.`,
      );
    return spec as StageSpecOf<K>;
  }
}
