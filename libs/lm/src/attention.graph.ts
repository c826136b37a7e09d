import { Graph, type Value } from '@solopo/onnx-graph';
import type { ModelConfig } from './model-config.ts';

/*
 * Attention of a chunk of queries. Legend of shapes: B sequences, T tokens (padded), S tokens that ask (all, or the last
 * ones), C queries of the chunk, E keys that the chunk can see at most, G key-value heads, R query heads a key-value head, K
 * head size.
 *
 * A graph holds one chunk, and the caller goes from chunk to chunk: so the scores of one chunk, [B, G, R, C, E], are all
 * that exist at a time, forward and backward, and memory is linear in T.
 */

/**
 * o = P v with P = softmax(s q k' + mask): queries [B, S, G, R, K], keys and values [B, G, T, K] -> the chunk's mixed values
 * [B, C, G R K].
 *
 * @param window keys a token can see, itself included; null: all before it
 */
export function attentionForward(config: ModelConfig, window: number | null): Graph {
  const g = new Graph('attention-forward');
  const { attention, values, unfold } = attend(g, config, window);
  g.output('mixed', g.reshape(unfold(g.matMul(attention, values)), ['B', 'C', config.heads * config.headSize]));
  return g;
}

/**
 * From d_mixed and the forward pass's mixed [B, S, G R K]: the chunk's d_queries [B, C, G, R, K], and its share of
 * d_keys and d_values [B, G, T, K]; where it adds, to what comes from the chunks before. P is computed again.
 *
 *     dv = P' do,   dP = do v',   dS = P (dP - D) with D = rowsum(do o),   dq = s dS k,   dk = s dS' q
 *
 * D is the row sum of dP P, which the softmax's derivative asks for, got without another pass over [C, E] (Dao et al. 2022,
 * arXiv 2205.14135); it is subtracted inside the product: dP - D = [do | -D] [v | 1]'.
 */
export function attentionBackward(config: ModelConfig, window: number | null, { add }: { add: boolean }): Graph {
  const g = new Graph('attention-backward');
  const { attention, queries, keys, values, allKeys, rowRange, keyRange, fold, unfold } = attend(g, config, window);
  const { heads, kvHeads: G, headSize: K, queryScale: alpha } = config;
  const chunkOf = (name: string): Value => {
    const all = g.input(name, 'float32', ['B', 'S', heads * K]);
    return fold(g.reshape(g.slice(all, 1, rowRange.from, rowRange.to, 'C'), ['B', 'C', G, heads / G, K]));
  };
  const [o, dO] = [chunkOf('mixed'), chunkOf('d_mixed')];
  const d = g.reduceSum(g.mul(dO, o), [-1]);
  const ones = g.expandTo(g.scalar(1), ['B', G, 'E', 1], g.concat([g.shapeOf(keys, 0, 3), g.int64s([1])], 0, 4));
  const dScores = g.mul(
    attention,
    g.matMul(g.concat([dO, g.neg(d)], 3), g.concat([values, ones], 3), { transB: true }),
  );
  g.output('d_queries_chunk', unfold(g.matMul(dScores, keys, { alpha })));
  for (const [name, dx] of [
    ['d_keys', g.matMul(dScores, queries, { transA: true, alpha })],
    ['d_values', g.matMul(attention, dO, { transA: true })],
  ] as const) {
    const behind = g.sub(g.shapeOf(allKeys, 2, 3), keyRange.to);
    const share = g.pad(dx, 2, keyRange.from, behind, 'T');
    g.output(name, add ? g.add(g.input(`${name}_sum`, 'float32', ['B', G, 'T', K]), share) : share);
  }
  return g;
}

/** Pieces along the token axis, one after another -> the whole. */
export function joinTokens(pieces: number, shape: (tokens: string) => readonly (number | string)[]): Graph {
  const g = new Graph('join-tokens');
  const parts = Array.from({ length: pieces }, (_, i) => g.input(`piece_${i}`, 'float32', shape(`T${i}`)));
  g.output('whole', g.concat(parts, 1, 'T'));
  return g;
}

/** P of the chunk [B, G, RC, E]: the R query heads of a key-value head are further rows of one product. */
function attend(g: Graph, config: ModelConfig, window: number | null) {
  const { heads, kvHeads: G, headSize: K, queryScale } = config;
  const R = heads / G;
  const allQueries = g.input('queries', 'float32', ['B', 'S', G, R, K]);
  const allKeys = g.input('keys', 'float32', ['B', G, 'T', K]);
  const allValues = g.input('values', 'float32', ['B', G, 'T', K]);
  // The chunk's columns among the batch's T, and its rows among the S that ask.
  const queryRange = rangeInputs(g, 'query');
  const rowRange = rangeInputs(g, 'row');
  const keyRange = rangeInputs(g, 'key');
  const byHead = g.transpose(g.slice(allQueries, 1, rowRange.from, rowRange.to, 'C'), [0, 2, 3, 1, 4]);
  const queries = g.reshape(byHead, ['B', G, 'RC', K]);
  const keys = g.slice(allKeys, 2, keyRange.from, keyRange.to, 'E');
  const values = g.slice(allValues, 2, keyRange.from, keyRange.to, 'E');

  const products = g.matMul(queries, keys, { transB: true, alpha: queryScale }); // [B, G, RC, E]
  const sizes = g.concat([g.shapeOf(byHead, 0, 4), g.shapeOf(keys, 2, 3)], 0, 5);
  const bias = visibilityBias(g, window, queryRange, keyRange);
  const scores = g.add(g.reshapeTo(products, ['B', G, R, 'C', 'E'], sizes), bias);
  return {
    attention: g.reshapeLike(g.softmax(scores), products),
    queries,
    keys,
    values,
    allKeys,
    rowRange,
    keyRange,
    /** [B, C, G, R, K] -> [B, G, RC, K] */
    fold: (x: Value): Value => g.reshape(g.transpose(x, [0, 2, 3, 1, 4]), ['B', G, 'RC', K]),
    /** [B, G, RC, K] -> [B, C, G, R, K] */
    unfold: (x: Value): Value => g.transpose(g.reshapeLike(x, byHead), [0, 3, 1, 2, 4]),
  };
}

interface Range {
  readonly from: Value;
  readonly to: Value;
}

function rangeInputs(g: Graph, name: string): Range {
  return { from: g.input(`${name}_from`, 'int64', [1]), to: g.input(`${name}_to`, 'int64', [1]) };
}

/**
 * 0 where a query sees a key, -1e30 where not; [B, 1, 1, C, E]. A token sees keys before `prompt_end`, and keys from
 * `branch_start` up to itself; with a sliding window only those less than the window away in the text. Places are floats
 * (exact below 2^24): a GPU would slice whole numbers on the CPU.
 */
function visibilityBias(g: Graph, window: number | null, queries: Range, keys: Range): Value {
  const ofTokens = (name: string): Value => g.input(name, 'float32', ['B', 'T']);
  const column = (x: Value): Value =>
    g.reshape(g.slice(x, 1, queries.from, queries.to, 'C'), [x.shape[0] as string, 1, 1, 'C', 1]);
  const row = (x: Value): Value =>
    g.reshape(g.slice(x, 1, keys.from, keys.to, 'E'), [x.shape[0] as string, 1, 1, 1, 'E']);
  const index = g.input('index', 'float32', [1, 'T']);
  const key = row(index);
  const inPrompt = g.less(key, column(ofTokens('prompt_end')));
  const inBranch = g.and(g.lessOrEqual(column(ofTokens('branch_start')), key), g.lessOrEqual(key, column(index)));
  // Not an Or: a GPU would send it to the CPU.
  const bias = g.where(inPrompt, g.scalar(0), g.where(inBranch, g.scalar(0), g.scalar(-1e30)));
  if (window === null) return bias;
  const positions = ofTokens('positions');
  const distance = g.sub(column(positions), row(positions));
  return g.where(g.less(distance, g.scalar(window)), bias, g.scalar(-1e30));
}
