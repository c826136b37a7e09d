import { digestOf, runConfigSchema, sha256, type StageSpec } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { startPostgres } from '@solopo/testing';
import { afterAll, beforeAll } from 'vitest';

const [model, dataset] = [sha256('model'), sha256('questions')];

const config = runConfigSchema.parse({
  name: 'a run/with: signs',
  model: 'tiny',
  dataset: 'questions',
  contexts: { long: { documents: 4 } },
});

export interface TrackedLedger {
  readonly ledger: Ledger;
  readonly url: string;
}

export function useTrackedLedger(): TrackedLedger {
  const fixture = {} as { ledger: Ledger; url: string };
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const postgres = await startPostgres();
    stop = () => postgres.stop();
    fixture.url = await postgres.createDatabase();
    fixture.ledger = Ledger.open(fixture.url);
    await fixture.ledger.migrate();
  });
  afterAll(async () => {
    await fixture.ledger.close();
    await stop();
  });
  return fixture;
}

export async function addRun({ ledger }: TrackedLedger, id: string): Promise<void> {
  await ledger.runs.create({ id, config, resolved: { model, dataset, evaluationDataset: dataset } });
}

/** Of a slice of four steps: loading before the first. */
export const phasesAt = (step: number): Readonly<Record<string, number>> => ({
  ...(step % 4 === 1 ? { load: 2.5 } : {}),
  forward: step / 4,
  backward: step / 2,
});

export const lossAt = (step: number): number => 1 / step;

/** Steps up to the given one, with two metrics each, and the seconds of phases where given. */
export async function addSteps(
  { ledger }: TrackedLedger,
  run: string,
  to: number,
  phasesOf?: (step: number) => Readonly<Record<string, number>>,
): Promise<void> {
  const { step: from, digest } = await ledger.steps.head(run);
  let previousDigest = digest;
  const steps = Array.from({ length: to - from }, (_, index) => {
    const step = from + index + 1;
    const own = sha256(`${run} ${step}`);
    const link = { step, digest: own, previousDigest, pairDigests: [], engine: 'none' };
    previousDigest = own;
    const phases = phasesOf === undefined ? {} : { phaseSeconds: phasesOf(step) };
    return { ...link, ...phases, metrics: { loss: lossAt(step), 'rewards/margins': step } };
  });
  await ledger.steps.append(run, steps);
}

/** A policy version with its held-out metrics, and its evaluation over 8 documents. Step 0 is the base. */
export async function addVersion({ ledger }: TrackedLedger, run: string, step: number): Promise<void> {
  const policy = step === 0 ? model : sha256(`${run} policy ${step}`);
  if (step > 0) await ledger.versions.insert(run, { step, digest: policy, chainHead: sha256('head') });
  const { prompt, objective, alignment, seed } = config;
  const align = { kind: 'align', run, step, policy, model, adapter: null, pair: model, objective, alignment } as const;
  await ledger.alignments.insert(await addDone(ledger, run, align), {
    run,
    step,
    policy,
    metrics: { eval_loss: 10 + step },
    details: [],
  });
  const evaluate = {
    kind: 'evaluate',
    policy,
    model,
    adapter: null,
    dataset,
    prompt,
    documents: 8,
    judge: 'exact',
    maxNewTokens: 8,
    seed,
  } as const;
  // Two chunks: the accuracy is that of both.
  const stage = await addDone(ledger, run, evaluate);
  for (const [chunk, outcomes] of ['1101', '0001'].entries())
    await ledger.evaluations.insert(stage, chunk, {
      policy,
      documents: 8,
      tokens: 100,
      n: 4,
      correct: outcomes.replaceAll('0', '').length,
      outcomes,
      refused: {},
    });
}

async function addDone(ledger: Ledger, run: string, spec: StageSpec): Promise<string> {
  const digest = digestOf(spec);
  if (await ledger.stages.insert({ digest, spec, chunks: 1 }))
    await ledger.stages.finishChunk(digest, 0, { seconds: 1, result: null });
  await ledger.runs.subscribe(run, digest, `${spec.kind} ${digest}`);
  return digest;
}
