import type { StageSpecOf } from '@solopo/contracts';
import { CHAIN_START, type Repositories, type StepRecord } from '@solopo/ledger';
import { chainConfig, chainSteps, referenceRowsOf, stepBatches, stepsOf } from '@solopo/pipeline';
import { Checking, type Check } from './check.ts';
import type { PairFindings } from './verify-pairs.ts';

/**
 * The chain of steps, made again from what each step must have read; then the checkpoints and policies that hang on it.
 *
 * @param readsOwnScores false: the run is from before scores were kept by engine, when each step read the first recorded
 */
export async function verifySteps(
  ledger: Repositories,
  { spec, readsOwnScores }: { readonly spec: StageSpecOf<'train'>; readonly readsOwnScores: boolean },
  { training: pairs, sums }: PairFindings,
): Promise<Check[]> {
  const { run, training, seed } = spec;
  const [steps, checkpoints, policies] = [new Checking(), new Checking(), new Checking()];
  const chain = await ledger.steps.chain(run);
  const saved = new Map((await ledger.checkpoints.list(run)).map((row) => [row.step, row]));
  let uncovered = 0;
  const versions = await ledger.versions.list(run);
  const count = pairs.size;
  const planned = stepsOf(training, count);
  const batches = stepBatches(training, { seed, pairs: count, from: 0, to: Math.min(planned, chain.length) });
  const endsSlice = (step: number) => step % training.stepsPerSlice === 0 || step === planned;
  const config = chainConfig(spec);

  let previous = CHAIN_START;
  chain.forEach((row, index) => {
    const { step, digest } = row;
    steps.demand(step === index + 1, `step ${index + 1} is lost`);
    steps.demand(row.previousDigest === previous, `step ${step} does not follow the step before it`);
    previous = digest;
    const batch = (batches[step - 1] ?? []).map((ordinal) => pairs.get(ordinal));
    const checkpoint = endsSlice(step) ? saved.get(step) : undefined;
    if (endsSlice(step)) checkpoints.demand(checkpoint !== undefined, `the checkpoint of step ${step} is lost`);
    steps.demand(
      sameList(
        row.pairDigests,
        batch.map((pair) => pair?.digest),
      ),
      `step ${step} names other pairs than the data and the seed give it`,
    );
    const engine = readsOwnScores ? row.engine : null;
    const scores = engine === null ? sums.first : sums.byEngine.get(engine);
    const reference = batch.map((pair) => {
      const read = pair === undefined ? undefined : scores?.get(pair.position);
      const rows = pair === undefined ? [] : referenceRowsOf(spec, pair.digest);
      for (const name of rows)
        steps.demand(
          read?.[name] !== undefined,
          `the score ${name} of example ${String(pair?.position)}, which step ${step} read${engine === null ? '' : ` as the engine "${engine}" made it`}, is lost`,
        );
      return Object.fromEntries(rows.flatMap((name) => (read?.[name] === undefined ? [] : [[name, read[name]]])));
    });
    const parameters = checkpoint?.parametersDigest;
    const isWhole = redone(row, { config, reference, parameters, optimizer: checkpoint?.digest }) === digest;
    const isOld = !isWhole && checkpoint !== undefined && redone(row, { config, reference, parameters }) === digest;
    if (isOld) uncovered += 1;
    steps.demand(
      isWhole || isOld,
      row.engine === null
        ? `step ${step} was recorded without its engine; its digest cannot be made again`
        : `step ${step} does not have its digest: the row, a score that it read, or the parameters or the optimiser's state after it were altered`,
    );
  });

  for (const step of saved.keys())
    checkpoints.demand(endsSlice(step), `there is a checkpoint at step ${step}, where no slice ends`);
  const digests = new Map(chain.map(({ step, digest }) => [step, digest]));
  for (const { step, digest, chainHead } of versions) {
    policies.demand(
      saved.get(step)?.parametersDigest === digest,
      `the policy of step ${step} has other weights than its checkpoint`,
    );
    policies.demand(digests.get(step) === chainHead, `the policy of step ${step} names another head of the chain`);
  }
  policies.demand(
    versions.length === saved.size,
    `there are ${versions.length} policies for ${saved.size} checkpoints`,
  );
  return [
    steps.result('steps', `${chain.length} steps`),
    checkpoints.result(
      'checkpoints',
      `${saved.size} checkpoints${uncovered === 0 ? '' : `; not covered: the optimiser's state of ${uncovered}, which were recorded before it was in the chain`}`,
    ),
    policies.result('policies', `${versions.length} policies`),
  ];
}

function redone(
  { step, previousDigest, pairDigests, metrics, engine }: StepRecord,
  made: {
    readonly config: unknown;
    readonly reference: readonly Readonly<Record<string, number>>[];
    readonly parameters: string | undefined;
    readonly optimizer?: string | undefined;
  },
): string | undefined {
  const { config, reference, parameters, optimizer } = made;
  const link = {
    step,
    pairDigests,
    reference,
    metrics,
    ...(parameters === undefined ? {} : { parameters }),
    ...(optimizer === undefined ? {} : { optimizer }),
  };
  return chainSteps(previousDigest, { config, engine: engine ?? '' }, [link])[0]?.digest;
}

function sameList(a: readonly (string | undefined)[], b: readonly (string | undefined)[]): boolean {
  return a.length === b.length && a.every((item, index) => item !== undefined && item === b[index]);
}
