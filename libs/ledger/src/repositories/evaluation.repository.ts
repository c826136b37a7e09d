import type { EvaluationView } from '@solopo/contracts';
import { evaluationDigest } from '../row-digests.ts';
import type { Queries } from '../tables/database.ts';

/** The outcome of one chunk of questions. */
export interface NewEvaluation {
  readonly policy: string;
  readonly documents: number;
  /** Prompt tokens of all questions together. */
  readonly tokens: number;
  readonly n: number;
  readonly correct: number;
  /** '1' right, '0' wrong, in data-set order. */
  readonly outcomes: string;
  readonly refused: Readonly<Record<string, number>>;
}

export interface EvaluationEvidence extends NewEvaluation {
  readonly stage: string;
  readonly chunk: number;
  /** Of the row; null: it is older than the column. */
  readonly digest: string | null;
}

export class EvaluationRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async insert(stage: string, chunk: number, evaluation: NewEvaluation): Promise<void> {
    await this.#db
      .insertInto('evaluations')
      .values({
        stage,
        chunk,
        ...evaluation,
        refused: JSON.stringify(evaluation.refused),
        digest: evaluationDigest(stage, chunk, evaluation),
      })
      .onConflict((conflict) => conflict.columns(['stage', 'chunk']).doNothing())
      .execute();
  }

  /** The rows themselves, of every chunk that is done, with what proves them. */
  async evidence(run: string): Promise<EvaluationEvidence[]> {
    return this.#db
      .selectFrom('run_stages')
      .innerJoin('evaluations', 'evaluations.stage', 'run_stages.stage')
      .select(['evaluations.stage', 'evaluations.chunk', 'evaluations.policy', 'evaluations.documents'])
      .select(['evaluations.tokens', 'evaluations.n', 'evaluations.correct', 'evaluations.outcomes'])
      .select(['evaluations.refused', 'evaluations.digest'])
      .where('run_stages.run', '=', run)
      .orderBy('evaluations.stage')
      .orderBy('evaluations.chunk')
      .execute();
  }

  /** The finished evaluations of a run: the base model's, then the policy's, by context length. */
  async ofRun(run: string): Promise<EvaluationView[]> {
    const rows = await this.#db
      .selectFrom('run_stages')
      .innerJoin('stages', 'stages.digest', 'run_stages.stage')
      .innerJoin('evaluations', 'evaluations.stage', 'stages.digest')
      .select(['evaluations.policy', 'evaluations.documents', 'evaluations.tokens', 'evaluations.n'])
      .select(['evaluations.correct', 'evaluations.outcomes', 'evaluations.refused'])
      .select((query) =>
        query
          .selectFrom('policy_versions as version')
          .select((version) => version.fn.max('version.step').as('step'))
          .whereRef('version.run', '=', 'run_stages.run')
          .whereRef('version.digest', '=', 'evaluations.policy')
          .as('step'),
      )
      .where('run_stages.run', '=', run)
      .where('stages.state', '=', 'done')
      .orderBy('step', (order) => order.asc().nullsFirst())
      .orderBy('evaluations.documents')
      .orderBy('evaluations.chunk')
      .execute();
    return rows.reduce<EvaluationView[]>((views, { step, ...chunk }) => {
      const last = views.at(-1);
      return last?.policy === chunk.policy && last.documents === chunk.documents
        ? [...views.slice(0, -1), joined(last, chunk)]
        : [...views, { ...chunk, step: step ?? 'base' }];
    }, []);
  }
}

function joined(view: EvaluationView, chunk: NewEvaluation): EvaluationView {
  const reasons = new Set([...Object.keys(view.refused), ...Object.keys(chunk.refused)]);
  return {
    ...view,
    tokens: view.tokens + chunk.tokens,
    n: view.n + chunk.n,
    correct: view.correct + chunk.correct,
    outcomes: view.outcomes + chunk.outcomes,
    refused: Object.fromEntries([...reasons].map((key) => [key, (view.refused[key] ?? 0) + (chunk.refused[key] ?? 0)])),
  };
}
