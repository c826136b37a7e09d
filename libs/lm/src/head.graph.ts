import { differentiate, Graph, type Value } from '@solopo/onnx-graph';
import { rmsNorm } from './block.graph.ts';
import type { ModelConfig } from './model-config.ts';

/*
 * Legend of shapes: B sequences, T tokens (padded), M rows (places whose hidden state predicts a token), d hidden size,
 * V vocabulary.
 */

/** tokens [B, T] -> h [B, T, d] of the table [V, d]. */
export function embed({ hiddenSize: d, vocabSize: V, embeddingScale }: ModelConfig): Graph {
  const g = new Graph('embed');
  const table = g.input('table', 'float32', [V, d]);
  const rows = g.gatherRows(table, g.input('tokens', 'int64', ['B', 'T']));
  g.output('h', embeddingScale === 1 ? rows : g.scale(rows, embeddingScale));
  return g;
}

/** d_table [V, d] and dh [B, T, d] of tokens [B, T] -> d_table with the embedding's share. */
export function embedBackward({ hiddenSize: d, vocabSize: V, embeddingScale }: ModelConfig): Graph {
  const g = new Graph('embed-backward');
  const sum = g.input('d_table', 'float32', [V, d]);
  const dh = g.input('dh', 'float32', ['B', 'T', d]);
  const tokens = g.input('tokens', 'int64', ['B', 'T']);
  g.output('d_table_out', g.scatterRows(sum, tokens, embeddingScale === 1 ? dh : g.scale(dh, embeddingScale)));
  return g;
}

/**
 * hidden [B, T, d], rows [M], targets [M, 1] -> log p(target) [M, 1] and the most likely token [M, 1]; with `statistics`
 * also the entropy and the mean logit of each row [M, 1].
 */
export function headScore(config: ModelConfig, { statistics }: { statistics: boolean }): Graph {
  const g = new Graph('head-score');
  const { logps, logits, logSumExp } = targetLogps(g, config, headInputs(g, config));
  g.output('logps', logps);
  g.output('argmax', g.argMax(logits, 1));
  if (statistics) {
    // H = -sum p log p = log sum exp(logit) - sum p logit
    g.output('entropies', g.sub(logSumExp, g.reduceSum(g.mul(g.softmax(logits), logits), [1])));
    g.output('mean_logits', g.reduceMean(logits, [1]));
  }
  return g;
}

export interface HeadBackwardOptions {
  /** Without gradients of the final norm and the output table. */
  readonly frozen: boolean;
  /** Adds the table's and the norm's gradients to `d_table_sum` and `d_norm_sum`. */
  readonly add: boolean;
  /** dh as d_hidden [B, T, d], added to `d_hidden_sum` where there is one; otherwise as it is, [M, d]. */
  readonly scatter: 'rows' | 'first' | 'add';
}

/** d(sum of logps * dlogps) with respect to the hidden states and, unless frozen, the final norm and the output table. */
export function headBackward(config: ModelConfig, { frozen, add, scatter }: HeadBackwardOptions): Graph {
  const g = new Graph('head-backward');
  const inputs = headInputs(g, config);
  const { h, hidden, norm, table } = inputs;
  const { logps } = targetLogps(g, config, inputs);
  const dy = g.input('dlogps', 'float32', ['M', 1]);
  const states = scatter === 'rows' ? h : hidden;
  const [dStates, dNorm, dTable] = differentiate(g, [{ y: logps, dy }], frozen ? [states] : [states, norm, table]);
  const summed = (name: string, dx: Value, adds: boolean): Value =>
    adds ? g.add(g.input(`${name}_sum`, 'float32', dx.shape), dx) : dx;
  if (scatter === 'rows') g.output('dh', dStates as Value);
  else g.output('d_hidden', summed('d_hidden', dStates as Value, scatter === 'add'));
  if (dNorm && dTable) {
    g.output('d_norm', summed('d_norm', dNorm, add));
    g.output('d_table', summed('d_table', dTable, add));
  }
  return g;
}

/** hidden [B, T, d], rows [M] -> logits [M, V], or the most likely token [M, 1]. */
export function headPredict(config: ModelConfig, output: 'logits' | 'argmax'): Graph {
  const g = new Graph(`head-${output}`);
  const { h, norm, table } = headInputs(g, config);
  const logits = g.matMul(rmsNorm(g, config, h, norm), table, { transB: true });
  g.output(output, output === 'logits' ? logits : g.argMax(logits, 1));
  return g;
}

/**
 * hidden [B, T, d], rows [M], temperature [1] -> what tokens are drawn by: weights [M, V], exp((logit - greatest) / temperature),
 * and log_totals [M, 1], log sum exp(logit - greatest).
 */
export function headDraw(config: ModelConfig): Graph {
  const g = new Graph('head-draw');
  const { h, norm, table } = headInputs(g, config);
  const logits = g.matMul(rmsNorm(g, config, h, norm), table, { transB: true });
  const below = g.sub(logits, g.reduceMax(logits, [1]));
  g.output('weights', g.exp(g.div(below, g.input('temperature', 'float32', [1]))));
  g.output('log_totals', g.log(g.reduceSum(g.exp(below), [1])));
  return g;
}

interface HeadInputs {
  readonly hidden: Value;
  readonly h: Value;
  readonly norm: Value;
  readonly table: Value;
}

function headInputs(g: Graph, { hiddenSize: d, vocabSize: V }: ModelConfig): HeadInputs {
  const hidden = g.input('hidden', 'float32', ['B', 'T', d]);
  return {
    hidden,
    h: g.gatherRows(g.reshape(hidden, ['BT', d]), g.input('rows', 'int64', ['M'])),
    norm: g.input('norm', 'float32', [d]),
    table: g.input('table', 'float32', [V, d]),
  };
}

function targetLogps(g: Graph, config: ModelConfig, { h, norm, table }: HeadInputs) {
  const targets = g.input('targets', 'int64', ['M', 1]);
  const logits = g.matMul(rmsNorm(g, config, h, norm), table, { transB: true });
  const logSumExp = g.reduceLogSumExp(logits, [1]);
  return { logits, logSumExp, logps: g.sub(g.gatherElements(logits, targets), logSumExp) };
}
