import { digestOf, runConfigSchema, sha256, type StageSpec } from '@solopo/contracts';
import { startPostgres } from '@solopo/testing';
import { afterAll, beforeAll } from 'vitest';
import { Ledger } from '../ledger.ts';

/** A migrated ledger in a database of its own, for all tests of a file. */
export function useLedger(): { readonly ledger: Ledger; readonly url: string } {
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

const config = runConfigSchema.parse({
  name: 'a run',
  model: 'tiny',
  dataset: 'questions',
  contexts: { long: { documents: 4 } },
});

export const MODEL = sha256('model');
export const DATASET = sha256('questions');

export async function createRun(ledger: Ledger, id: string): Promise<void> {
  await ledger.runs.create({ id, config, resolved: { model: MODEL, dataset: DATASET, evaluationDataset: null } });
}

export async function createStage(ledger: Ledger, spec: StageSpec, chunks = 1): Promise<string> {
  const digest = digestOf(spec);
  await ledger.stages.insert({ digest, spec, chunks });
  return digest;
}

export interface StageChain {
  readonly compose: string;
  readonly sample: string;
  readonly pair: string;
}

/** The stages up to `pair`; every seed has its own. */
export async function createStages(ledger: Ledger, seed: number): Promise<StageChain> {
  const { prompt, contexts, sampling, pairing } = config;
  const spec: StageSpec = { kind: 'compose', dataset: DATASET, model: MODEL, prompt, contexts, seed };
  const compose = await createStage(ledger, spec);
  const sample = await createStage(ledger, { kind: 'sample', compose, model: MODEL, sampling, seed });
  const pair = await createStage(ledger, { kind: 'pair', sample, pairing });
  return { compose, sample, pair };
}
