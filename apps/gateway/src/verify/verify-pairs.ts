import type { StageSpecOf } from '@solopo/contracts';
import { storableText, type PairEvidence, type Repositories, type Score, type SubscribedStage } from '@solopo/ledger';
import { contextDigest, pairCountsOf, pairDigest, referenceSums, sumOf, type ReferenceSums } from '@solopo/pipeline';
import { Checking, type Check } from './check.ts';

export interface PairStages {
  readonly compose: SubscribedStage;
  readonly sample: SubscribedStage;
  readonly pair: SubscribedStage;
  /** What was to be scored. */
  readonly scores: readonly StageSpecOf<'score'>[];
}

/** What the steps must have been made of. */
export interface PairFindings {
  readonly checks: readonly Check[];
  /** Digests recomputed from the training pairs' content, by ordinal. */
  readonly training: ReadonlyMap<number, { readonly digest: string; readonly position: number }>;
  readonly sums: RecordedSums;
}

/** The reference's sums as they were recorded first, and as each engine made them. */
export interface RecordedSums {
  readonly first: ReferenceSums;
  readonly byEngine: ReadonlyMap<string, ReferenceSums>;
}

const BATCH = 200;

/** Contexts, samples, judgements, pairs and the reference's scores, from the pairs' side. */
export async function verifyPairs(ledger: Repositories, stages: PairStages, model: string): Promise<PairFindings> {
  const [contexts, samples, pairs, scores] = [new Checking(), new Checking(), new Checking(), new Checking()];
  const { compose, sample, pair } = stages;
  const assignments = new Map((await ledger.contexts.assignments(compose.digest)).map((row) => [row.position, row]));
  const judgements = new Map(
    (await ledger.judgements.list(pair.digest)).map((row) => [`${row.position} ${row.sampleIndex}`, row.correct]),
  );
  const training = new Map<number, { digest: string; position: number }>();
  const heldOut = new Set<number>();
  const first = new Map<number, RowSums>();
  const byEngine = new Map<string, Map<number, RowSums>>();
  // Where one of the samples is drawn whatever it is, the judge has no say in it.
  const isJudged = pair.spec.kind !== 'pair' || pair.spec.pairing.mode !== 'samples';
  let scoreCount = 0;

  for await (const batch of batchesOf(ledger, pair.digest)) {
    const rows = await ledger.contexts.list(
      batch.flatMap(({ shortContext, longContext }) => [shortContext, longContext]),
    );
    const known = new Set(rows.map(({ digest }) => digest));
    for (const row of rows)
      contexts.demand(
        contextDigest(row) === row.digest && row.tokenCount === row.tokens.length,
        `context ${row.digest} was altered`,
      );

    const drawn = new Map(
      (await ledger.samples.list(sample.digest, spanOf(batch))).map((row) => [
        `${row.position} ${row.sampleIndex}`,
        row,
      ]),
    );
    const golds = await goldsOf(ledger, compose, batch);
    for (const row of batch) {
      const { position, ordinal, shortContext, longContext } = row;
      for (const context of [shortContext, longContext])
        contexts.demand(known.has(context), `context ${context} of example ${position} is lost`);
      const assigned = assignments.get(position);
      contexts.demand(
        assigned !== undefined &&
          'short' in assigned &&
          assigned.short === shortContext &&
          assigned.long === longContext,
        `the pair of example ${position} is not about the contexts that were composed for it`,
      );

      const digest = pairDigest({ ...row, short: shortContext, long: longContext });
      pairs.demand(digest === row.digest, `the pair of example ${position} was altered`);
      if (row.heldOut) heldOut.add(ordinal);
      else training.set(ordinal, { digest, position });

      for (const [response, index, correct] of [
        ['chosen', row.chosenSample, true],
        ['rejected', row.rejectedSample, false],
      ] as const) {
        const of = index === null ? undefined : drawn.get(`${position} ${index}`);
        const text = of?.text ?? (response === 'chosen' ? golds.get(position) : '');
        pairs.demand(
          row[`${response}Text`] === text,
          `the text of the ${response} response of example ${position} is not ${index === null ? 'its gold answer' : `that of its sample ${index}`}`,
        );
        if (index === null) continue;
        samples.demand(
          of?.tokens.every((token, at) => row[response][at] === token) === true,
          `the ${response} response of example ${position} is not its sample ${index}`,
        );
        samples.demand(
          isJudged ? judgements.get(`${position} ${index}`) === correct : judgements.has(`${position} ${index}`),
          `sample ${index} of example ${position} is ${response}, but was not judged${isJudged ? ` ${correct ? 'right' : 'wrong'}` : ''}`,
        );
      }
    }

    const lengths = new Map(
      batch.map((row) => [row.position, { chosen: row.chosen.length, rejected: row.rejected.length }]),
    );
    const positions = batch.map(({ position }) => position);
    const scored = await ledger.scores.evidence(pair.digest, model, positions);
    scoreCount += scored.length;
    for (const { position, context, response, engine, logps, sum, tokens } of scored)
      scores.demand(
        logps.length === lengths.get(position)?.[response] && tokens === logps.length && sumOf(logps) === sum,
        `the ${context} score of the ${response} response of example ${position} by the engine "${engine}" was altered`,
      );
    // The last of equal rows stands: behind all others, the first recorded.
    addTo(first, scored.toReversed());
    for (const [engine, own] of Map.groupBy(scored, (score) => score.engine)) {
      const sums = byEngine.get(engine) ?? new Map<number, RowSums>();
      addTo(sums, own);
      byEngine.set(engine, sums);
    }
    for (const { position, heldOut: isHeldOut } of batch)
      for (const { split, context } of stages.scores)
        scores.demand(
          (split === 'held-out') !== isHeldOut || hasBoth(first.get(position), context),
          `a ${context} score of example ${position} is lost`,
        );
  }

  const counted = pairCountsOf(pair.result);
  pairs.demand(
    isWhole(new Set(training.keys()), counted.pairs),
    `training pairs are lost: there were ${counted.pairs}`,
  );
  pairs.demand(isWhole(heldOut, counted.heldOut), `held-out pairs are lost: there were ${counted.heldOut}`);
  const judged = pair.result?.['judged'];
  samples.demand(
    judged === undefined || judged === judgements.size,
    `judgements are lost: there were ${String(judged)}`,
  );

  const count = training.size + heldOut.size;
  return {
    checks: [
      contexts.result('contexts', `the contexts of ${count} pairs`),
      samples.result('samples', `the samples of ${count} pairs, ${judgements.size} judgements`),
      pairs.result('pairs', `${training.size} training and ${heldOut.size} held-out pairs`),
      scores.result('scores', `${scoreCount} scores${byEngine.size > 1 ? ` by ${byEngine.size} engines` : ''}`),
    ],
    training,
    sums: { first, byEngine },
  };
}

async function* batchesOf(ledger: Repositories, stage: string): AsyncGenerator<PairEvidence[]> {
  for (let after = -1; ;) {
    const batch = await ledger.pairs.evidence(stage, { after, limit: BATCH });
    const last = batch.at(-1);
    if (last === undefined) return;
    yield batch;
    after = last.position;
  }
}

/** Where no sample is chosen, the gold answer is. */
async function goldsOf(
  ledger: Repositories,
  { spec }: SubscribedStage,
  batch: readonly PairEvidence[],
): Promise<ReadonlyMap<number, string>> {
  if (spec.kind !== 'compose' || batch.every(({ chosenSample }) => chosenSample !== null)) return new Map();
  const examples = await ledger.datasets.examples(spec.dataset, spanOf(batch));
  return new Map(examples.map(({ position, content }) => [position, storableText(content.answers[0] ?? '')]));
}

type RowSums = Readonly<Record<string, number>>;

function addTo(sums: Map<number, RowSums>, scores: readonly Score[]): void {
  for (const [position, rows] of referenceSums(scores)) sums.set(position, rows);
}

function hasBoth(sums: RowSums | undefined, context: string): boolean {
  return sums?.[`${context}Chosen`] !== undefined && sums[`${context}Rejected`] !== undefined;
}

function spanOf(batch: readonly PairEvidence[]): { from: number; to: number } {
  return { from: batch[0]?.position ?? 0, to: (batch.at(-1)?.position ?? -1) + 1 };
}

/** Ordinals 0, 1, ... without a gap. */
function isWhole(ordinals: ReadonlySet<number>, count: number): boolean {
  return ordinals.size === count && Array.from({ length: count }, (_, ordinal) => ordinals.has(ordinal)).every(Boolean);
}
