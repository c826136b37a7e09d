import {
  alignedResponses,
  meanMetrics,
  pairTerm,
  promptRead,
  rowName,
  rowsRead,
  teacherRead,
  tokenMetrics,
  trainedContext,
  trainedTail,
  type ObjectiveOptions,
  type PairTerm,
  type Prompt,
  type ResponseStatistics,
  type Row,
  type RowLogps,
  type Rows,
} from '@solopo/objectives';
import { AdamW, clipFactor, type AdamWOptions, type OptimizerState } from './adamw.ts';
import { freeGradients, type Gradients } from './gradients.ts';
import type { Activations, Teacher } from './activations.ts';
import type { LanguageModel } from './language-model.ts';
import { responseStatistics } from './response-statistics.ts';
import { learningRateAt, type ScheduleOptions } from './schedule.ts';
import { groupByTokens, withSmallerBatches } from './batches.ts';
import { LogitsNotFiniteError, notFiniteIn } from './model.error.ts';
import { PhaseClock, type PhaseSeconds, type StepPhase } from './phase-clock.ts';
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
  /** Where its time went, by phase. */
  readonly phaseSeconds: PhaseSeconds;
}

export class LossNotFiniteError extends Error {
  override readonly name = 'LossNotFiniteError';
  constructor(
    readonly step: number,
    what: string,
    /** A parameter of the model that holds values which are not finite: then the learning rate is not to blame. */
    parameter?: string,
  ) {
    super(
      parameter === undefined
        ? `${what} of step ${step} is not finite; lower the learning rate or clipNorm and start again from the last checkpoint`
        : `${what} of step ${step} is not finite: ${notFiniteIn(parameter)} and start again`,
    );
  }

  /** Does the work of a step; logits that are not finite are its loss. */
  static async of<T>(step: number, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof LogitsNotFiniteError ? new LossNotFiniteError(step, 'the loss', error.parameter) : error;
    }
  }
}

/** Takes gradient steps on preference pairs; everything but the data is decided at construction. */
export class PreferenceTrainer {
  readonly #optimizer: AdamW;
  #clock = new PhaseClock<StepPhase>();

  constructor(
    readonly model: LanguageModel,
    readonly options: PreferenceOptions,
    state?: OptimizerState,
    /** The frozen reference, where it is the teacher (`teacherRead`); the caller's to free. */
    private readonly teacher: LanguageModel | null = null,
  ) {
    if (teacherRead(options) !== null && teacher === null)
      throw new RangeError(
        `the ${options.objective.kind} objective has a teacher; give the trainer the frozen reference`,
      );
    this.#optimizer = new AdamW(options.optimizer, model.trained, state);
  }

  get step(): number {
    return this.#optimizer.step;
  }

  /** In this process's memory; where there is no device, the tensors themselves. */
  optimizerTensors(): Promise<HostTensors> {
    return this.#optimizer.tensors();
  }

  /** Gives back what the optimiser holds on the device. */
  free(): Promise<void> {
    return this.#optimizer.free();
  }

  /**
   * One step on the mean loss of `pairs`.
   * @throws LossNotFiniteError before anything is changed
   */
  async takeStep(pairs: readonly TrainingPair[]): Promise<StepResult> {
    const step = this.#optimizer.step + 1;
    const { runtime } = this.model;
    const { schedule, steps, clipNorm } = this.options;
    const gradients: Gradients = new Map();
    this.#clock = new PhaseClock();
    try {
      const { terms, statistics, policyTokens } = await withSmallerBatches(
        pairs.map((pair) => this.#tokensOf(pair)),
        this.options.microBatchTokens,
        (limit) => {
          freeGradients(runtime, gradients);
          return this.#accumulate(pairs, step, gradients, limit);
        },
      );
      const gradNorm = await this.#optimizer.gradientNorm(gradients);
      if (!Number.isFinite(gradNorm)) throw new LossNotFiniteError(step, 'the gradient');
      const learningRate = learningRateAt(schedule, step, steps);
      await this.#optimizer.update(gradients, learningRate, clipFactor(gradNorm, clipNorm));
      this.#clock.lap('optimizer');
      const context = trainedContext(this.options);
      const of = (response: 'chosen' | 'rejected') =>
        statistics.flatMap((pair) => pair[rowName(context, response)] ?? []);
      return {
        step,
        policyTokens,
        phaseSeconds: this.#clock.seconds,
        metrics: {
          grad_norm: gradNorm,
          learning_rate: learningRate,
          ...meanMetrics(terms.map(({ loss, metrics }) => ({ loss, ...metrics }))),
          ...tokenMetrics(of('chosen'), of('rejected')),
        },
      };
    } finally {
      freeGradients(runtime, gradients);
    }
  }

  /** The mean loss's gradients, summed over groups of pairs. */
  async #accumulate(
    pairs: readonly TrainingPair[],
    step: number,
    gradients: Gradients,
    microBatchTokens: number,
  ): Promise<Accumulated> {
    const result: Accumulated = { terms: [], statistics: [], policyTokens: 0 };
    // A group holds whole pairs: a pair's short and long rows meet in one loss.
    const groups = groupByTokens(pairs, (pair) => this.#tokensOf(pair), microBatchTokens);
    const passes = this.#passes();
    for (const group of groups) {
      const scores: Scores = { rows: group.map(() => ({})), statistics: group.map(() => ({})) };
      for (const contexts of passes) {
        const last = contexts === passes.at(-1);
        const batches: Batch[] = [];
        const taught: Activations[] = [];
        try {
          for (const context of contexts)
            await LossNotFiniteError.of(step, () => this.#forward(group, context, scores, { batches, taught }));
          const own = group.map(({ aligned = true }, i) =>
            pairTerm(this.options, scores.rows[i] as Rows, { aligned: aligned && last }),
          );
          if (!own.every(({ loss }) => Number.isFinite(loss))) throw new LossNotFiniteError(step, 'the loss');
          if (last) {
            result.terms.push(...own);
            result.statistics.push(...scores.statistics);
          }
          this.#clock.lap('loss');
          for (const { activations, places } of batches) {
            result.policyTokens += activations.batch.tokenCount;
            const dScores = Float32Array.from(activations.batch.targets, ({ tree, branch }) => {
              const { pair, context, rows } = places[tree] as Place;
              const row = branch === PROMPT_BRANCH ? promptOf(context) : (rows[branch] as Row);
              return (own[pair]?.gradients[row] ?? 0) / pairs.length;
            });
            await this.model.backward(activations, dScores, gradients);
            this.#clock.lap('backward');
          }
        } finally {
          for (const activations of [...batches.map((batch) => batch.activations), ...taught]) activations.free();
        }
      }
    }
    return result;
  }

  /**
   * Contexts whose activations must be there at the same time. Where the short reward is detached in the alignment, the
   * short rows' gradients do not ask for the long ones: their backward pass comes first, and its memory is free for the next.
   */
  #passes(): readonly (readonly ('short' | 'long')[])[] {
    const { arm, alignment } = this.options;
    const apart = alignedResponses(arm).length > 0 && alignment.detach === 'short';
    return apart ? [['short'], ['long']] : [['short', 'long']];
  }

  #tokensOf(pair: TrainingPair): number {
    return treesOf(this.options, pair).reduce((sum, { tree }) => sum + treeLength(tree), 0);
  }

  /** Adds to `scores`, and to the lists as it goes: whoever has them frees what is on them. */
  async #forward(
    pairs: readonly TrainingPair[],
    context: 'short' | 'long',
    { rows, statistics }: Scores,
    { batches, taught }: { readonly batches: Batch[]; readonly taught: Activations[] },
  ): Promise<void> {
    const places = pairs.flatMap((pair, index) =>
      treesOf(this.options, pair)
        .filter((tree) => tree.context === context)
        .map((tree) => ({ ...tree, pair: index })),
    );
    if (places.length === 0) return;
    const scorePrompt = promptRead(this.options) === promptOf(context);
    const batch = packTrees(
      places.map(({ tree }) => tree),
      { ...this.model.packing, scorePrompt, tail: trainedTail(this.options, context) },
    );
    this.#clock.lap('data');
    const teacher = await this.#teach(places.map(({ pair }) => pairs[pair] as TrainingPair));
    if (teacher) taught.push(teacher.activations);
    const activations = await this.model.forward(batch, teacher?.predictions);
    batches.push({ activations, places });
    const stats = await this.model.targetStats(activations);
    this.#clock.lap('forward');
    const of = responseStatistics(batch.targets, stats);
    places.forEach(({ pair, rows: names }, tree) => {
      const [own, measured] = [rows[pair], statistics[pair]] as [(typeof rows)[0], (typeof statistics)[0]];
      names.forEach((row, branch) => {
        const { logp, tokens, kl } = (measured[row] = of(tree, branch));
        const reference = pairs[pair]?.reference[row];
        own[row] = {
          policy: logp,
          tokens,
          ...(reference === undefined ? {} : { reference }),
          ...(kl === undefined ? {} : { kl }),
        };
      });
      const { logp, tokens } = of(tree, PROMPT_BRANCH);
      if (scorePrompt) own[promptOf(context)] = { policy: logp, tokens };
    });
  }

  /** What the teacher predicts of the chosen answers under the short contexts; null where the objective has none. */
  async #teach(
    pairs: readonly TrainingPair[],
  ): Promise<{ readonly activations: Activations; readonly predictions: Teacher } | null> {
    const { teacher } = this;
    if (teacherRead(this.options) === null || !teacher) return null;
    const trees = pairs.map(({ short, chosen }) => ({
      prompt: demandContext(short, 'short', this.options),
      branches: [chosen],
    }));
    const activations = await teacher.infer(packTrees(trees, teacher.packing));
    this.#clock.lap('reference');
    return { activations, predictions: teacher.teacherOf(activations) };
  }
}

/** By pair of a group: what its rows are scored so far. */
interface Scores {
  readonly rows: readonly Partial<Record<Row | Prompt, RowLogps>>[];
  readonly statistics: readonly Partial<Record<Row, ResponseStatistics>>[];
}

interface Batch {
  readonly activations: Activations;
  readonly places: readonly Place[];
}

interface Accumulated {
  readonly terms: PairTerm[];
  readonly statistics: Partial<Record<Row, ResponseStatistics>>[];
  policyTokens: number;
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
    if (rows.length === 0) return [];
    const prompt = demandContext(pair[context], context, options);
    return [
      {
        context,
        rows,
        tree: { prompt, branches: rows.map((row) => (row.endsWith('Chosen') ? pair.chosen : pair.rejected)) },
      },
    ];
  });
}

function demandContext(
  prompt: Int32Array | undefined,
  context: 'short' | 'long',
  { arm }: ObjectiveOptions,
): Int32Array {
  if (!prompt) throw new RangeError(`the ${arm} arm reads the ${context} context, which the pair does not have`);
  return prompt;
}
