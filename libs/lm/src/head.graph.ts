import { differentiate, Graph, type Value } from '@solopo/onnx-graph';
import { rmsNorm } from './block.graph.ts';
import type { ModelConfig } from './model-config.ts';

/* Legend of shapes: M rows (hidden states that predict a token), d hidden size, V vocabulary. */

/**
 * h [M, d], targets [M, 1] -> log p(target) [M, 1] and the most likely token [M, 1]; with `statistics` also the entropy and
 * the mean logit of each row [M, 1].
 */
export function headScore(config: ModelConfig, { statistics }: { statistics: boolean }): Graph {
  const g = new Graph('head-score');
  const { h, norm, table } = headInputs(g, config);
  const { logps, logits, logSumExp } = targetLogps(g, config, h, norm, table, g.input('targets', 'int64', ['M', 1]));
  g.output('logps', logps);
  g.output('argmax', g.argMax(logits, 1));
  if (statistics) {
    // H = -sum p log p = log sum exp(logit) - sum p logit
    g.output('entropies', g.sub(logSumExp, g.reduceSum(g.mul(g.softmax(logits), logits), [1])));
    g.output('mean_logits', g.reduceMean(logits, [1]));
  }
  return g;
}

/** d(sum of logps * dlogps) with respect to the hidden states and, unless frozen, the final norm and the output table. */
export function headBackward(config: ModelConfig, { frozen }: { frozen: boolean }): Graph {
  const g = new Graph('head-backward');
  const { h, norm, table } = headInputs(g, config);
  const { logps } = targetLogps(g, config, h, norm, table, g.input('targets', 'int64', ['M', 1]));
  const dy = g.input('dlogps', 'float32', ['M', 1]);
  const [dh, dNorm, dTable] = differentiate(g, [{ y: logps, dy }], frozen ? [h] : [h, norm, table]);
  g.output('dh', dh as Value);
  if (dNorm && dTable) {
    g.output('d_norm', dNorm);
    g.output('d_table', dTable);
  }
  return g;
}

/** h [M, d] -> logits [M, V], or the most likely token [M, 1]. */
export function headPredict(config: ModelConfig, output: 'logits' | 'argmax'): Graph {
  const g = new Graph(`head-${output}`);
  const { h, norm, table } = headInputs(g, config);
  const logits = g.matMul(rmsNorm(g, config, h, norm), table, { transB: true });
  g.output(output, output === 'logits' ? logits : g.argMax(logits, 1));
  return g;
}

function headInputs(g: Graph, { hiddenSize: d, vocabSize: V }: ModelConfig) {
  return {
    h: g.input('h', 'float32', ['M', d]),
    norm: g.input('norm', 'float32', [d]),
    table: g.input('table', 'float32', [V, d]),
  };
}

function targetLogps(g: Graph, config: ModelConfig, h: Value, norm: Value, table: Value, targets: Value) {
  const logits = g.matMul(rmsNorm(g, config, h, norm), table, { transB: true });
  const logSumExp = g.reduceLogSumExp(logits, [1]);
  return { logits, logSumExp, logps: g.sub(g.gatherElements(logits, targets), logSumExp) };
}
