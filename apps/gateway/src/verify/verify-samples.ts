import { judge } from '@solopo/corpus';
import { sampleDigest, type Repositories } from '@solopo/ledger';
import { Checking, type Check } from './check.ts';
import type { PairStages } from './verify-pairs.ts';

const BATCH = 200;
/** Beyond every example: rows that somebody added there are found too. */
const [FIRST, LAST] = [-(2 ** 31), 2 ** 31 - 1];

/** Every sample and its judgement, whether a pair took it or not. */
export async function verifySamples(ledger: Repositories, { compose, sample, pair }: PairStages): Promise<Check> {
  const checking = new Checking();
  if (compose.spec.kind !== 'compose' || sample.spec.kind !== 'sample' || pair.spec.kind !== 'pair') {
    checking.demand(false, 'the specifications of the stages were altered: they are of other kinds');
    return checking.result('answers', '');
  }
  const { dataset } = compose.spec;
  const { samplesPerContext } = sample.spec.sampling;
  const { pairing } = pair.spec;
  const { examples } = await ledger.datasets.require(dataset);
  const assignments = await ledger.contexts.assignments(compose.digest);
  const asked = new Set(assignments.flatMap((row) => ('short' in row ? row.position : [])));
  checking.demand(
    assignments.length === examples,
    `contexts were composed for ${assignments.length} examples, of which there are ${examples}`,
  );
  const judgements = new Map(
    (await ledger.judgements.list(pair.digest)).map((row) => [`${row.position} ${row.sampleIndex}`, row]),
  );
  const judged = judgements.size;
  let [count, uncovered] = [0, 0];

  for (let from = 0; from < examples; from += BATCH) {
    const to = Math.min(examples, from + BATCH);
    const answers = new Map(
      (await ledger.datasets.examples(dataset, { from, to })).map(({ position, content }) => [
        position,
        content.answers,
      ]),
    );
    const rows = await ledger.samples.evidence(sample.digest, {
      from: from === 0 ? FIRST : from,
      to: to === examples ? LAST : to,
    });
    count += rows.length;
    const byExample = Map.groupBy(rows, ({ position }) => position);
    for (const position of new Set([...answers.keys(), ...byExample.keys()])) {
      const own = byExample.get(position) ?? [];
      checking.demand(
        own.length === (asked.has(position) ? samplesPerContext : 0) &&
          own.every(({ sampleIndex }, index) => sampleIndex === index),
        `samples of example ${position} were added or lost: there are ${own.length}`,
      );
    }
    for (const row of rows) {
      const { position, sampleIndex, text, digest } = row;
      const name = `${position} ${sampleIndex}`;
      const judgement = judgements.get(name);
      judgements.delete(name);
      if (digest === null) {
        uncovered += 1;
        continue;
      }
      checking.demand(
        sampleDigest(sample.digest, row) === digest,
        `sample ${sampleIndex} of example ${position} was altered`,
      );
      checking.demand(
        judgement?.judge === pairing.judge && judgement.correct === judge(pairing, text, answers.get(position) ?? []),
        `the judgement of sample ${sampleIndex} of example ${position} is not what its judge says`,
      );
    }
  }
  checking.demand(judgements.size === 0, `${judgements.size} judgements are of no sample`);
  return checking.result(
    'answers',
    `${count} samples, ${judged} judgements${notCovered(uncovered, 'of the samples, with their judgements,')}`,
  );
}

/** Rows of earlier versions have no digest. */
export function notCovered(count: number, what: string): string {
  return count === 0 ? '' : `; not covered: ${count} ${what} were recorded before rows had a digest`;
}
