import { runConfigSchema, sha256, type Example, type RunConfig, type RunConfigInput } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { startPostgres } from '@solopo/testing';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach } from 'vitest';

export const MODEL = sha256('model');
export const EXAMPLES = 600;
export const QUESTIONS = 300;

/** For each test a migrated ledger of its own, with a model and two data sets: copies of one that is made once. */
export function useLedger(): { ledger: Ledger } {
  const fixture = {} as { ledger: Ledger };
  let postgres: Awaited<ReturnType<typeof startPostgres>>;
  let template: URL;
  let copies = 0;
  beforeAll(async () => {
    postgres = await startPostgres();
    template = new URL(await postgres.createDatabase());
    const ledger = Ledger.open(template.href);
    await ledger.migrate();
    await ledger.models.register({
      digest: MODEL,
      name: 'tiny',
      family: 'qwen2',
      config: {},
      files: {},
      parameters: 1,
    });
    await importQuestions(ledger, 'questions', EXAMPLES);
    await importQuestions(ledger, 'held-out', QUESTIONS);
    await ledger.close();
  });
  beforeEach(async () => {
    const name = `copy_${++copies}`;
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query(`create database ${name} template ${template.pathname.slice(1)} strategy file_copy`);
    await client.end();
    fixture.ledger = Ledger.open(Object.assign(new URL(template), { pathname: name }).href);
    return () => fixture.ledger.close();
  });
  afterAll(() => postgres.stop());
  return fixture;
}

async function importQuestions(ledger: Ledger, name: string, count: number): Promise<void> {
  const examples = Array.from({ length: count }, (_, index): Example => ({
    id: `${name} ${index}`,
    question: '?',
    answers: ['!'],
    documents: [{ text: 'here', relevant: true }],
  }));
  const dataset = { digest: sha256(name), name, format: 'solopo', examples: count, rejected: [], rejectedCount: 0 };
  await ledger.transaction((tx) => tx.datasets.register(dataset, examples));
}

export function configOf(changes: Partial<RunConfigInput> = {}): RunConfig {
  return runConfigSchema.parse({
    name: 'a run',
    model: 'tiny',
    dataset: 'questions',
    contexts: { long: { documents: 1 } },
    training: { pairsPerStep: 16, stepsPerSlice: 7 },
    evaluation: { dataset: 'held-out', documents: [1, 2] },
    ...changes,
  });
}
