import { setImmediate } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { JobContext } from '@solopo/bus';
import { SolopoError, STAGE_WORK, type StageKind, type StageSpecOf } from '@solopo/contracts';
import { choosePair, judge, promptMessages } from '@solopo/corpus';
import { FUNCTIONS } from '@solopo/functions';
import { Ledger, type Judgement, type NewPair, type PairRefusal, type Range, type SampleRecord } from '@solopo/ledger';
import { pairCountsOf, pairDigest } from '@solopo/pipeline';
import { ModelFiles, type Effects, type JobFunction, type Work } from '@solopo/worker';
import { countRefusals } from '../counts.ts';
import { Datasets } from '../datasets.ts';

/** Judges every sample and keeps one right and one wrong response an example, or one response whatever it is: first the held-out pairs, then the training pairs. */
@Injectable()
export class PairResponses implements JobFunction<'pair'> {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Datasets) private readonly datasets: Datasets,
  ) {}

  async execute({ stage, spec: { sample, pairing }, range }: Work<'pair'>, context: JobContext): Promise<Effects> {
    const { compose, seed } = await this.#spec(sample, 'sample');
    const { dataset, model, prompt } = await this.#spec(compose, 'compose');
    const text = await this.models.text(model);
    const contexts = new Map(
      (await this.ledger.contexts.assignments(compose)).map((assignment) => [assignment.position, assignment]),
    );

    // Sampled ids are trained on as they were drawn. The end of the turn is added as the template writes it, where the model ended.
    const responseOf = ({ tokens, finish }: SampleRecord): Int32Array =>
      finish === 'stop' || pairing.cutAnswers === undefined ? Int32Array.of(...tokens, ...text.responseTail) : tokens;
    const judgements: Judgement[] = [];
    const pairs: NewPair[] = [];
    const refusals: PairRefusal[] = [];
    const { result } = await this.ledger.stages.require(stage);
    const before = result === null ? { pairs: 0, heldOut: 0 } : pairCountsOf(result);
    let [heldOutCount, trainingCount, cutCount] = [before.heldOut, before.pairs, 0];
    let itemsDone = 0;
    const endsAt = performance.now() + FUNCTIONS.pair.sliceMs;
    for await (const { position, content, samples } of this.#examples(dataset, sample, range)) {
      if (performance.now() > endsAt) break;
      itemsDone += 1;
      await context.advanced({ ...STAGE_WORK.pair, done: itemsDone, total: range.to - range.from });
      const assigned = contexts.get(position);
      if (!assigned || 'refused' in assigned) {
        refusals.push({ position, reason: assigned?.refused ?? 'no-context' });
        continue;
      }
      const judged = samples.map((record) => ({
        ...record,
        correct: judge(pairing, record.text, content.answers),
      }));
      judgements.push(...judged);
      cutCount += judged.filter(({ finish }) => finish === 'length').length;
      const gold = content.answers[0] as string;
      const choice = choosePair(judged, { ...pairing, gold, seed, example: content.id });
      if ('refused' in choice) {
        refusals.push({ position, reason: choice.refused });
        continue;
      }
      const heldOut = heldOutCount < pairing.heldOutPairs;
      if (!heldOut && trainingCount >= pairing.maxPairs) {
        refusals.push({ position, reason: 'enough-pairs' });
        continue;
      }
      const chosen = choice.chosen
        ? responseOf(choice.chosen)
        : text.responseTokens(promptMessages(content.question, '', prompt), gold);
      const rejected = choice.rejected ? responseOf(choice.rejected) : new Int32Array(0);
      pairs.push({
        position,
        digest: pairDigest({ short: assigned.short, long: assigned.long, chosen, rejected }),
        shortContext: assigned.short,
        longContext: assigned.long,
        chosen,
        rejected,
        chosenText: choice.chosen?.text ?? gold,
        rejectedText: choice.rejected?.text ?? '',
        chosenSample: choice.chosen?.sampleIndex ?? null,
        rejectedSample: choice.rejected?.sampleIndex ?? null,
        heldOut,
        ordinal: heldOut ? heldOutCount++ : trainingCount++,
      });
    }
    return {
      ...(itemsDone < range.to - range.from ? { itemsDone } : {}),
      result: {
        pairs: trainingCount - before.pairs,
        heldOut: heldOutCount - before.heldOut,
        judged: judgements.length,
        cut: cutCount,
        ...countRefusals(refusals.map(({ reason }) => reason)),
      },
      write: async (tx) => {
        await tx.judgements.insert(stage, pairing.judge, judgements);
        await tx.pairs.insert(stage, pairs);
        await tx.pairs.refuse(stage, refusals);
      },
    };
  }

  /** One after another, with others' work between them. */
  async *#examples(dataset: string, sample: string, range: Range) {
    for await (const page of this.datasets.pages(dataset, range)) {
      const [from, to] = [page[0]?.position ?? 0, (page.at(-1)?.position ?? -1) + 1];
      const samples = Map.groupBy(await this.ledger.samples.list(sample, { from, to }), ({ position }) => position);
      for (const example of page) {
        await setImmediate();
        yield { ...example, samples: samples.get(example.position) ?? [] };
      }
    }
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
