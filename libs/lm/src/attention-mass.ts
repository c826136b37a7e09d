import { Graph } from '@solopo/onnx-graph';
import { consume } from './activations.ts';
import type { LanguageModel } from './language-model.ts';
import { layerKind, type ModelConfig } from './model-config.ts';
import { float32, hostFloats, int32, int64, type Tensor } from './tensor.ts';
import { packTrees } from './tree-batch.ts';

/*
 * Where the tokens of a response look. Legend of shapes: T tokens of prompt and response, C queries of a chunk, G key-value
 * heads, R query heads a key-value head, K head size, S groups of keys.
 */

/** Queries are taken so many at a time: their weights over all keys, [G, R, C, T], are all that exist at once. */
const QUERY_CHUNK = 64;
const GROUPS = 3;

/** A response to a prompt. */
export interface InspectedRow {
  readonly prompt: Int32Array;
  readonly response: Int32Array;
  /** Tokens of the prompt, from `start` up to, not including, `end`. */
  readonly evidence: readonly { readonly start: number; readonly end: number }[];
}

/** Shares of a layer's attention, mean over its heads and over the places that predict the response; they add up to 1. */
export interface AttentionMass {
  readonly evidence: number;
  /** The prompt but its evidence. */
  readonly rest: number;
  /** What of the response is there already. */
  readonly response: number;
}

export interface InspectedResponse {
  /** log p of each token of the response. */
  readonly logps: Float32Array;
  /** By layer. */
  readonly attention: readonly AttentionMass[];
}

/** Log-probabilities of a response, and where the model looked for it. */
export async function inspectResponse(model: LanguageModel, row: InspectedRow): Promise<InspectedResponse> {
  const { prompt, response } = row;
  const layers: { readonly queries: Tensor; readonly keys: Tensor }[] = [];
  // All queries of every layer.
  const batch = { ...packTrees([{ prompt, branches: [response] }], model.packing), readFrom: 0 };
  const activations = await model.prefill(batch, ({ queries, keys }) => {
    layers.push({ queries, keys });
    return [queries, keys];
  });
  return consume(activations, async () => {
    const { logps } = await model.targetLogps(activations);
    const groups = groupsOfKeys(row);
    const attention: AttentionMass[] = [];
    for (const [layer, projected] of layers.entries())
      attention.push(await massOfLayer(model, layer, { ...projected, groups }, row));
    return { logps, attention };
  });
}

async function massOfLayer(
  model: LanguageModel,
  layer: number,
  feeds: Readonly<Record<'queries' | 'keys' | 'groups', Tensor>>,
  { prompt, response }: InspectedRow,
): Promise<AttentionMass> {
  const { config, runtime } = model;
  const { slidingWindow } = layerKind(config, layer);
  // The prompt's last place predicts the first token; the response's last place predicts nothing that is asked.
  const [first, end] = [prompt.length - 1, prompt.length + response.length - 1];
  const index = int32(
    Int32Array.from({ length: end + 1 }, (_, t) => t),
    [1, end + 1],
  );
  const sums = new Float64Array(GROUPS);
  for (let from = first; from < end; from += QUERY_CHUNK) {
    const to = Math.min(end, from + QUERY_CHUNK);
    const outputs = await runtime.run(
      `attention-mass ${slidingWindow} ${JSON.stringify(model.shape)}`,
      () => attentionMass(config, slidingWindow),
      { ...feeds, index, query_from: int64([from], [1]), query_to: int64([to], [1]) },
      ['mass'],
    );
    hostFloats(outputs['mass'] as Tensor).forEach(
      (mass, group) => (sums[group] = (sums[group] as number) + mass * (to - from)),
    );
  }
  const [evidence, rest, own] = [...sums].map((sum) => sum / response.length) as [number, number, number];
  return { evidence, rest, response: own };
}

/** Which group each key is of, one-hot: [T, S]. */
function groupsOfKeys({ prompt, response, evidence }: InspectedRow): Tensor {
  const length = prompt.length + response.length;
  const groups = new Float32Array(length * GROUPS);
  for (let t = 0; t < length; t++) {
    const isEvidence = evidence.some(({ start, end }) => start <= t && t < end);
    groups[t * GROUPS + (t >= prompt.length ? 2 : isEvidence ? 0 : 1)] = 1;
  }
  return float32(groups, [length, GROUPS]);
}

/**
 * queries [1, T, G, R, K], keys [1, G, T, K], groups [T, S] -> mass [1, 1, 1, 1, S]:
 * mean over heads and the chunk's queries of softmax(s q k' + mask) groups.
 *
 * @param window keys a token can see, itself included; null: all before it
 */
function attentionMass(
  { heads, kvHeads: G, headSize: K, queryScale: alpha }: ModelConfig,
  window: number | null,
): Graph {
  const g = new Graph('attention-mass');
  const R = heads / G;
  const [from, to] = [g.input('query_from', 'int64', [1]), g.input('query_to', 'int64', [1])];
  const keys = g.input('keys', 'float32', [1, G, 'T', K]);
  const groups = g.input('groups', 'float32', ['T', GROUPS]);
  const index = g.input('index', 'int32', [1, 'T']);
  const queries = g.slice(g.input('queries', 'float32', [1, 'T', G, R, K]), 1, from, to, 'C');

  const byHead = g.transpose(queries, [0, 2, 3, 1, 4]); // [1, G, R, C, K]
  const products = g.matMul(g.reshape(byHead, [1, G, 'RC', K]), keys, { transB: true, alpha }); // [1, G, RC, T]
  const sizes = g.concat([g.shapeOf(byHead, 0, 4), g.shapeOf(keys, 2, 3)], 0, 5);
  const query = g.reshape(g.slice(index, 1, from, to, 'C'), [1, 1, 1, 'C', 1]);
  const key = g.reshape(index, [1, 1, 1, 1, 'T']);
  const causal = g.lessOrEqual(key, query);
  const visible = window === null ? causal : g.and(causal, g.less(g.sub(query, key), g.scalar(window, 'int32')));
  const bias = g.where(visible, g.scalar(0), g.scalar(-1e30));
  const weights = g.softmax(g.add(g.reshapeTo(products, [1, G, R, 'C', 'T'], sizes), bias));
  g.output('mass', g.reduceMean(g.matMul(weights, groups), [0, 1, 2, 3]));
  return g;
}
