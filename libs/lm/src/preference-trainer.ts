import {
  meanMetrics,
  pairTerm,
  promptRead,
  rowName,
  rowsRead,
  tokenMetrics,
  trainedContext,
  type ObjectiveOptions,
  type PairTerm,
  type Prompt,
  type ResponseStatistics,
  type Row,
  type RowLogps,
  type Rows,
} from '@solopo/objectives';
import { AdamW, clipGradients, type AdamWOptions } from './adamw.ts';
import { zeroGradients, type Activations, type LanguageModel } from './language-model.ts';
import { responseStatistics } from './response-statistics.ts';
import { learningRateAt, type ScheduleOptions } from './schedule.ts';
import { groupByTokens } from './scoring.ts';
import type { HostTensors } from './safetensors.ts';
import { packTrees, PROMPT_BRANCH, treeLength, type Tree } from './tree-batch.ts';

/** A preference pair as the trainer needs it; contexts that the arm does not read may be absent. */
export interface TrainingPair {
  readonly short?: Int32Array;
  readonly long?: Int32Array;
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
  /** Whether it is of the aligned fraction; others run their short rows alone. True when absent. */
  readonly aligned?: boolean;
  /** Summed reference log-probabilities of the rows that the objective reads. */
  readonly reference: Readonly<Partial<Record<Row, number>>>;
}

export interface PreferenceOptions extends ObjectiveOptions {
  readonly optimizer: AdamWOptions;
  readonly schedule: ScheduleOptions;
  readonly clipNorm: number;
  readonly microBatchTokens: number;
  /** Steps of the whole run, over which the schedule is laid. */
  readonly steps: number;
}

export interface StepResult {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Tokens that the policy ran forward and backward. */
  readonly policyTokens: number;
}

export class LossNotFiniteError extends Error {
  override readonly name = 'LossNotFiniteError';
  constructor(
    readonly step: number,
    what: string,
  ) {
    super(
      `${what} of step ${step} is not finite; lower the learning rate or clipNorm and start again from the last checkpoint`,
    );
  }
}

/** Takes gradient steps on preference pairs; everything but the data is decided at construction. */
export class PreferenceTrainer {
  readonly #optimizer: AdamW;

  constructor(
    readonly model: LanguageModel,
    readonly options: PreferenceOptions,
    state?: { readonly step: number; readonly tensors: HostTensors },
  ) {
    this.#optimizer = new AdamW(options.optimizer, model.trainable, state);
  }

  get step(): number {
    return this.#optimizer.step;
  }

  get optimizerTensors(): HostTensors {
    return this.#optimizer.tensors(this.model.trainable);
  }

  /**
   * One step on the mean loss of `pairs`.
   * @throws LossNotFiniteError before anything is changed
   */
  async takeStep(pairs: readonly TrainingPair[]): Promise<StepResult> {
    const step = this.#optimizer.step + 1;
    const { schedule, steps, clipNorm, microBatchTokens } = this.options;
    const gradients = zeroGradients(this.model.trainable);
    const terms: PairTerm[] = [];
    const statistics: Partial<Record<Row, ResponseStatistics>>[] = [];
    let policyTokens = 0;
    // A group holds whole pairs: a pair's short and long rows meet in one loss.
    const groups = groupByTokens(
      pairs,
      (pair) => treesOf(this.options, pair).reduce((sum, { tree }) => sum + treeLength(tree), 0),
      microBatchTokens,
    );
    for (const group of groups) {
      const passes = await this.#forward(group);
      const own = group.map(({ aligned = true }, i) => pairTerm(this.options, passes.rows[i] as Rows, { aligned }));
      if (!own.every(({ loss }) => Number.isFinite(loss))) throw new LossNotFiniteError(step, 'the loss');
      terms.push(...own);
      statistics.push(...passes.statistics);
      for (const { activations, places } of passes.batches) {
        policyTokens += activations.batch.tokenCount;
        const dLogps = Float32Array.from(activations.batch.targets, ({ tree, branch }) => {
          const { pair, context, rows } = places[tree] as Place;
          const row = branch === PROMPT_BRANCH ? promptOf(context) : (rows[branch] as Row);
          return (own[pair]?.gradients[row] ?? 0) / pairs.length;
        });
        await this.model.backward(activations, dLogps, gradients);
      }
    }
    const gradNorm = clipGradients(gradients, clipNorm);
    if (!Number.isFinite(gradNorm)) throw new LossNotFiniteError(step, 'the gradient');
    const learningRate = learningRateAt(schedule, step, steps);
    this.#optimizer.update(this.model.trainable, gradients, learningRate);
    const context = trainedContext(this.options);
    const of = (response: 'chosen' | 'rejected') =>
      statistics.flatMap((pair) => pair[rowName(context, response)] ?? []);
    return {
      step,
      policyTokens,
      metrics: {
        grad_norm: gradNorm,
        learning_rate: learningRate,
        ...meanMetrics(terms.map(({ loss, metrics }) => ({ loss, ...metrics }))),
        ...tokenMetrics(of('chosen'), of('rejected')),
      },
    };
  }

  async #forward(pairs: readonly TrainingPair[]): Promise<{
    batches: { activations: Activations; places: Place[] }[];
    rows: Rows[];
    statistics: Partial<Record<Row, ResponseStatistics>>[];
  }> {
    const rows = pairs.map((): Partial<Record<Row | Prompt, RowLogps>> => ({}));
    const statistics = pairs.map((): Partial<Record<Row, ResponseStatistics>> => ({}));
    const batches: { activations: Activations; places: Place[] }[] = [];
    const trees = pairs.flatMap((pair, index) => treesOf(this.options, pair).map((tree) => ({ ...tree, pair: index })));
    for (const context of ['short', 'long'] as const) {
      const places = trees.filter((tree) => tree.context === context);
      if (places.length === 0) continue;
      const scorePrompt = promptRead(this.options) === promptOf(context);
      const batch = packTrees(
        places.map(({ tree }) => tree),
        { ...this.model.packing, scorePrompt },
      );
      const activations = await this.model.forward(batch);
      const of = responseStatistics(batch.targets, await this.model.targetStats(activations));
      places.forEach(({ pair, rows: names }, tree) => {
        const [own, measured] = [rows[pair], statistics[pair]] as [(typeof rows)[0], (typeof statistics)[0]];
        names.forEach((row, branch) => {
          const { logp, tokens } = (measured[row] = of(tree, branch));
          const reference = pairs[pair]?.reference[row];
          own[row] = { policy: logp, tokens, ...(reference === undefined ? {} : { reference }) };
        });
        const { logp, tokens } = of(tree, PROMPT_BRANCH);
        if (scorePrompt) own[promptOf(context)] = { policy: logp, tokens };
      });
      batches.push({ activations, places });
    }
    return { batches, rows, statistics };
  }
}

function promptOf(context: 'short' | 'long'): Prompt {
  return `${context}Prompt`;
}

interface Place {
  readonly pair: number;
  readonly context: 'short' | 'long';
  readonly tree: Tree;
  /** The row that each branch is. */
  readonly rows: readonly Row[];
}

/** The trees that give the arm's rows: at most one under each context, its responses sharing the prompt. */
function treesOf(options: ObjectiveOptions, pair: TrainingPair): Omit<Place, 'pair'>[] {
  const wanted = rowsRead(options, pair.aligned);
  return (['short', 'long'] as const).flatMap((context) => {
    const rows = wanted.filter((row) => row.startsWith(context));
    const prompt = pair[context];
    if (rows.length === 0) return [];
    if (!prompt)
      throw new RangeError(`the ${options.arm} arm reads the ${context} context, which the pair does not have`);
    return [
      {
        context,
        rows,
        tree: { prompt, branches: rows.map((row) => (row.endsWith('Chosen') ? pair.chosen : pair.rejected)) },
      },
    ];
  });
}
