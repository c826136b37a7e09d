import { differentiate, Graph, type Dim, type Shape, type Value } from '@solopo/onnx-graph';
import { roundedMatMul } from './answer-block.ts';
import { rmsNorm } from './block.graph.ts';
import type { ModelConfig } from './model-config.ts';
import { OUTPUT, type StoredForm } from './parameters.ts';
import { roundedInputs } from './sampling-weights.ts';
import { pieceNames } from './table-pieces.ts';

/*
 * Legend of shapes: B sequences, T tokens (padded), M rows (places whose hidden state predicts a token), d hidden size,
 * V vocabulary.
 *
 * The table [V, d] is the input `table`, or several, `table#0`, `table#1`, ..., of so many rows as `pieces` says. Rows of a table
 * in pieces are looked up by what `lookupFeeds` makes of their ids.
 */

/** tokens [B, T] -> h [B, T, d] of the table. */
export function embed(config: ModelConfig, pieces = whole(config)): Graph {
  const { embeddingScale } = config;
  const g = new Graph('embed');
  const table = tableInputs(g, config, pieces);
  const rows = lookup(g, table, ['B', 'T'], () => g.input('tokens', 'int64', ['B', 'T']));
  g.output('h', embeddingScale === 1 ? rows : g.scale(rows, embeddingScale));
  return g;
}

/**
 * d_table [V, d] and dh [B, T, d] of tokens [B, T] -> d_table with the embedding's share. Of a piece of so many `rows`: tokens by
 * their places in it, and inside [B, T, 1], which is 0 where a token's row is in another piece.
 */
export function embedBackward(config: ModelConfig, rows = config.vocabSize): Graph {
  const { hiddenSize: d, vocabSize: V, embeddingScale } = config;
  const g = new Graph('embed-backward');
  const sum = g.input('d_table', 'float32', [rows, d]);
  const dh = g.input('dh', 'float32', ['B', 'T', d]);
  const tokens = g.input('tokens', 'int64', ['B', 'T']);
  const scaled = embeddingScale === 1 ? dh : g.scale(dh, embeddingScale);
  const updates = rows === V ? scaled : g.mul(scaled, g.input('inside', 'float32', ['B', 'T', 1]));
  g.output('d_table_out', g.scatterRows(sum, tokens, updates));
  return g;
}

export interface HeadScoreOptions {
  /** The entropy and the mean logit of each row, [M, 1]. */
  readonly statistics: boolean;
  /** The gradient of each row's log p(target), or of its KL, with respect to its hidden state, d_scores [M, d]. */
  readonly gradients: boolean;
  /** The KL of each row's distribution from that of teacher_logits [M, V], kls [M, 1]. */
  readonly teacher: boolean;
}

/**
 * hidden [B, T, d], rows [M], targets [M, 1] -> log p(target) [M, 1] and the most likely token [M, 1], and what else is asked.
 *
 *     z = W x,   p = softmax z,   log sum exp z = z_m - log p_m  with m the most likely token (p_m >= 1 / V),
 *     H = -sum p log p = log sum exp z - sum p z,   d log p_t / dx = W_t - W' p
 *
 * and from a teacher's distribution q: KL = sum p (log p - log q),   d KL / dz = p (log p - log q - KL)
 */
export function headScore(
  config: ModelConfig,
  { statistics, gradients, teacher }: HeadScoreOptions,
  pieces = whole(config),
): Graph {
  const g = new Graph('head-score');
  const { h, norm, table } = headInputs(g, config, pieces);
  const targets = g.input('targets', 'int64', ['M', 1]);
  const x = rmsNorm(g, config, h, norm);
  const logits = logitsOf(g, x, table);
  const p = g.softmax(logits);
  const likeliest = g.argMax(logits, 1);
  const logSumExp = g.sub(g.gatherElements(logits, likeliest), g.log(g.gatherElements(p, likeliest)));
  g.output('logps', g.sub(g.gatherElements(logits, targets), logSumExp));
  g.output('argmax', likeliest);
  if (statistics) {
    g.output('entropies', g.sub(logSumExp, g.reduceSum(g.mul(p, logits), [1])));
    g.output('mean_logits', g.reduceMean(logits, [1]));
  }
  const distilled = teacher ? divergence(g, config, p, g.sub(logits, logSumExp)) : null;
  if (distilled) g.output('kls', distilled.kl);
  if (gradients) {
    const dx = distilled
      ? rowsWeighted(g, distilled.dLogits, table)
      : g.sub(
          lookup(g, table, ['M'], () => g.reshape(targets, ['M'])),
          rowsWeighted(g, p, table),
        );
    const [dh] = differentiate(g, [{ y: x, dy: dx }], [h]);
    g.output('d_scores', dh as Value);
  }
  return g;
}

/** From p and log p [M, V], and the input teacher_logits [M, V]: KL [M, 1], and its gradient with respect to the logits. */
function divergence(
  g: Graph,
  { vocabSize }: ModelConfig,
  p: Value,
  logP: Value,
): Readonly<Record<'kl' | 'dLogits', Value>> {
  const teacher = g.input('teacher_logits', 'float32', ['M', vocabSize]);
  const ratio = g.sub(logP, g.sub(teacher, g.reduceLogSumExp(teacher, [1])));
  const kl = g.reduceSum(g.mul(p, ratio), [1]);
  return { kl, dLogits: g.mul(p, g.sub(ratio, kl)) };
}

/** sum [B, T, d] -> the same with factors [M, 1] times updates [M, d] added at its rows [M]. */
export function addToRows({ hiddenSize: d }: ModelConfig): Graph {
  const g = new Graph('add-to-rows');
  const sum = g.input('sum', 'float32', ['B', 'T', d]);
  const updates = g.mul(g.input('updates', 'float32', ['M', d]), g.input('factors', 'float32', ['M', 1]));
  const added = g.scatterRows(g.reshape(sum, ['BT', d]), g.input('rows', 'int64', ['M']), updates);
  g.output('sum_out', g.reshapeLike(added, sum));
  return g;
}

export interface HeadBackwardOptions {
  /** Adds the table's and the norm's gradients to `d_table_sum` and `d_norm_sum`. */
  readonly add: boolean;
  /** dh as d_hidden [B, T, d], added to `d_hidden_sum` where there is one; otherwise as it is, [M, d]. */
  readonly scatter: 'rows' | 'first' | 'add';
  /** dscores are of each row's KL from the distribution of teacher_logits [M, V], not of its log p. */
  readonly teacher: boolean;
}

/** d(sum of scores * dscores) with respect to the hidden states, the final norm and the output table, by its pieces. */
export function headBackward(
  config: ModelConfig,
  { add, scatter, teacher }: HeadBackwardOptions,
  pieces = whole(config),
): Graph {
  const g = new Graph('head-backward');
  const inputs = headInputs(g, config, pieces);
  const { h, hidden, norm, table } = inputs;
  const dScores = g.input('dscores', 'float32', ['M', 1]);
  const scored = teacher
    ? targetDivergence(g, config, inputs, dScores)
    : { y: targetLogps(g, config, inputs), dy: dScores };
  const states = scatter === 'rows' ? h : hidden;
  const [dStates, dNorm, ...dTable] = differentiate(g, [scored], [states, norm, ...table]) as [
    Value,
    Value,
    ...Value[],
  ];
  const summed = (name: string, dx: Value, adds: boolean): Value =>
    adds ? g.add(g.input(`${name}_sum`, 'float32', dx.shape), dx) : dx;
  if (scatter === 'rows') g.output('dh', dStates);
  else g.output('d_hidden', summed('d_hidden', dStates, scatter === 'add'));
  g.output('d_norm', summed('d_norm', dNorm, add));
  pieceNames('d_table', dTable.length).forEach((name, i) => g.output(name, summed(name, dTable[i] as Value, add)));
  return g;
}

/** hidden [B, T, d], rows [M] -> logits [M, V], or the most likely token [M, 1] with the logits' sum [M, 1], finite where they all are. */
export function headPredict(
  config: ModelConfig,
  output: 'logits' | 'argmax',
  pieces = whole(config),
  form: AnswerForm = {},
): Graph {
  const g = new Graph(`head-${output}`);
  const logits = answerLogits(g, config, pieces, form);
  g.output(output, output === 'logits' ? logits : g.argMax(logits, 1));
  // The greatest passes over what is no number, a sum does not.
  if (output === 'argmax') g.output('sums', g.reduceSum(logits, [1]));
  return g;
}

/**
 * hidden [B, T, d], rows [M], temperature [1] -> what tokens are drawn by: weights [M, V], the probabilities at the temperature, and
 * greatest [M, 1] of them; likeliest [M, 1], the greatest probability at temperature 1. A row's numbers do not depend on the rows
 * beside it: sums over an axis, and functions of each number, do where they are taken in vectors.
 */
export function headDraw(config: ModelConfig, pieces = whole(config), form: AnswerForm = {}): Graph {
  const g = new Graph('head-draw');
  const logits = answerLogits(g, config, pieces, form);
  const weights = g.softmax(g.div(logits, g.input('temperature', 'float32', [1])));
  g.output('weights', weights);
  g.output('greatest', g.reduceMax(weights, [1]));
  g.output('likeliest', g.reduceMax(g.softmax(logits), [1]));
  return g;
}

export interface AnswerForm extends StoredForm {
  /** The norm is one operator: where sums over the last axis of a tensor depend on how many rows it has, those of one do not. */
  readonly fused?: boolean;
}

function answerLogits(g: Graph, config: ModelConfig, pieces: readonly number[], form: AnswerForm): Value {
  const { h, norm, table } = headInputs(g, config, pieces, form);
  if (!form.fused) return logitsOf(g, rmsNorm(g, config, h, norm), table);
  const w = config.norms.unitOffset ? g.add(norm, g.scalar(1)) : norm;
  return logitsOf(g, g.rmsNorm(h, w, config.rmsNormEps), table);
}

interface HeadInputs {
  readonly hidden: Value;
  readonly h: Value;
  readonly norm: Value;
  readonly table: readonly Value[];
}

function headInputs(
  g: Graph,
  config: ModelConfig,
  pieces: readonly number[],
  { rounded }: StoredForm = {},
): HeadInputs {
  const { hiddenSize: d } = config;
  const hidden = g.input('hidden', 'float32', ['B', 'T', d]);
  return {
    hidden,
    h: g.gatherRows(g.reshape(hidden, ['BT', d]), g.input('rows', 'int64', ['M'])),
    norm: g.input('norm', 'float32', [d]),
    table:
      rounded && !rounded.exact.includes(OUTPUT) ? roundedTable(g, config, rounded) : tableInputs(g, config, pieces),
  };
}

/** The matrix and its scales. */
function roundedTable(
  g: Graph,
  { vocabSize, hiddenSize }: ModelConfig,
  { format }: NonNullable<StoredForm['rounded']>,
): readonly Value[] {
  return roundedInputs('table', [vocabSize, hiddenSize], format).map(([name, dtype, dims]) =>
    g.input(name, dtype, dims),
  );
}

const whole = ({ vocabSize }: ModelConfig): readonly number[] => [vocabSize];

function tableInputs(g: Graph, { hiddenSize: d }: ModelConfig, pieces: readonly number[]): readonly Value[] {
  return pieceNames('table', pieces.length).map((name, i) => g.input(name, 'float32', [pieces[i] as number, d]));
}

/** x W' with x [M, d], of all pieces: [M, V]. */
function logitsOf(g: Graph, x: Value, table: readonly Value[]): Value {
  const [first, scale] = table;
  if (first && scale && first.dtype !== 'float32') return roundedMatMul(g, x, first, scale);
  const ofPieces = table.map((piece) => g.matMul(x, piece, { transB: true }));
  return g.concat(ofPieces, 1);
}

/** p W with p [M, V]: [M, d]. */
function rowsWeighted(g: Graph, p: Value, table: readonly Value[]): Value {
  const rows = table.map(({ shape }) => shape[0] as Dim);
  return sum(
    g,
    g.split(p, 1, rows).map((part, i) => g.matMul(part, table[i] as Value)),
  );
}

/** Rows of the table by ids of a shape: [...shape, d]. Every piece is read at all ids, and counts where the row is in it. */
function lookup(g: Graph, table: readonly Value[], shape: Shape, ids: () => Value): Value {
  if (table.length === 1) return g.gatherRows(table[0] as Value, ids());
  return sum(
    g,
    table.map((piece, i) =>
      g.mul(g.gatherRows(piece, g.input(`ids#${i}`, 'int64', shape)), g.input(`inside#${i}`, 'float32', [...shape, 1])),
    ),
  );
}

const sum = (g: Graph, parts: readonly Value[]): Value => parts.reduce((a, b) => g.add(a, b));

function targetLogps(g: Graph, config: ModelConfig, { h, norm, table }: HeadInputs): Value {
  const targets = g.input('targets', 'int64', ['M', 1]);
  const logits = logitsOf(g, rmsNorm(g, config, h, norm), table);
  return g.sub(g.gatherElements(logits, targets), g.reduceLogSumExp(logits, [1]));
}

/** The logits, and their gradient from that of each row's KL. */
function targetDivergence(
  g: Graph,
  config: ModelConfig,
  { h, norm, table }: HeadInputs,
  dKl: Value,
): Readonly<Record<'y' | 'dy', Value>> {
  const logits = logitsOf(g, rmsNorm(g, config, h, norm), table);
  const logP = g.sub(logits, g.reduceLogSumExp(logits, [1]));
  return { y: logits, dy: g.mul(divergence(g, config, g.softmax(logits), logP).dLogits, dKl) };
}
