import { Graph, type Dim, type Shape, type Value } from '@solopo/onnx-graph';
import type { ModelConfig } from './model-config.ts';

/*
 * Attention of a chunk of queries. Legend of shapes: B sequences, T tokens (padded), S tokens that ask (all, or the last
 * ones), C queries of the chunk, E keys that the chunk can see at most, G key-value heads, R query heads a key-value head, K
 * head size.
 *
 * A graph holds one chunk, and the caller goes from chunk to chunk: so the scores of one chunk, [B, G, R, C, E], are all
 * that exist at a time, forward and backward, and memory is linear in T. Inside a graph of whole layers a loop does the same.
 */

/**
 * o = P v with P = softmax(s q k' + mask): queries [B, S, G, R, K], keys and values [B, G, T, K] -> the chunk's mixed values
 * [B, C, G R K].
 *
 * @param window keys a token can see, itself included; null: all before it
 */
export function attentionForward(config: ModelConfig, window: number | null): Graph {
  const g = new Graph('attention-forward');
  g.output('mixed', mixedOf(attend(g, config, window, ...attendInputs(g, config))));
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
  const attended = attend(g, config, window, ...attendInputs(g, config));
  const { heads, kvHeads: G, headSize: K } = config;
  const whole = (name: string): Value => g.input(name, 'float32', ['B', 'S', heads * K]);
  const { queries, ...shares } = gradientsOf(attended, { mixed: whole('mixed'), dMixed: whole('d_mixed') });
  g.output('d_queries_chunk', queries);
  for (const [name, share] of Object.entries(shares))
    g.output(`d_${name}`, add ? g.add(g.input(`d_${name}_sum`, 'float32', ['B', G, 'T', K]), share) : share);
  return g;
}

/** The columns of a chunk's ranges, int64 [N, 6]: of its queries among the batch's T, its rows among the S that ask, its keys. */
export const CHUNK_COLUMNS = ['query_from', 'query_to', 'row_from', 'row_to', 'key_from', 'key_to'] as const;

/** All chunks [N, 6], one after another: mixed values [B, S, G R K]. */
export function attention(
  g: Graph,
  config: ModelConfig,
  window: number | null,
  projected: Projected,
  tokens: TokenInputs,
  chunks: Value,
): Value {
  const { heads, headSize } = config;
  const shapeOf = (rows: Dim): Shape => ['B', rows, heads * headSize];
  const [mixed] = g.loop(
    chunkCount(g, chunks),
    [g.reshape(noRows(g, projected.queries), shapeOf('done'))],
    [shapeOf(projected.queries.shape[1] as Dim)],
    ([done], round) => {
      const chunk = mixedOf(attend(g, config, window, projected, tokens, chunkAt(g, chunks, round)));
      return [g.concat([done as Value, chunk], 1)];
    },
  );
  return mixed as Value;
}

/** From mixed and d_mixed [B, S, G R K], all chunks one after another: the gradients of queries, keys and values. */
export function attentionGradients(
  g: Graph,
  config: ModelConfig,
  window: number | null,
  projected: Projected,
  tokens: TokenInputs,
  chunks: Value,
  whole: Readonly<Record<'mixed' | 'dMixed', Value>>,
): Projected {
  const { queries: q, keys: k, values: v } = projected;
  const [queries, keys, values] = g.loop(
    chunkCount(g, chunks),
    [noRows(g, q), g.zerosLike(k), g.zerosLike(v)],
    [q.shape, k.shape, v.shape],
    ([dq, dk, dv], round) => {
      const share = gradientsOf(attend(g, config, window, projected, tokens, chunkAt(g, chunks, round)), whole);
      return [
        g.concat([dq as Value, share.queries], 1),
        g.add(dk as Value, share.keys),
        g.add(dv as Value, share.values),
      ];
    },
  );
  return { queries: queries as Value, keys: keys as Value, values: values as Value };
}

const chunkCount = (g: Graph, chunks: Value): Value => g.shapeOf(chunks, 0, 1);

function chunkAt(g: Graph, chunks: Value, round: Value): Chunk {
  const [queryFrom, queryTo, rowFrom, rowTo, keyFrom, keyTo] = g.split(
    g.gatherRows(chunks, round),
    0,
    CHUNK_COLUMNS.map(() => 1),
  ) as Six;
  return {
    queryRange: { from: queryFrom, to: queryTo },
    rowRange: { from: rowFrom, to: rowTo },
    keyRange: { from: keyFrom, to: keyTo },
  };
}

type Six = [Value, Value, Value, Value, Value, Value];

/** None of the rows of [B, S, G, R, K]. */
const noRows = (g: Graph, queries: Value): Value => g.slice(queries, 1, g.int64s([0]), g.int64s([0]), 'done');

/** Pieces along the token axis, one after another -> the whole. */
export function joinTokens(pieces: number, shape: (tokens: string) => readonly (number | string)[]): Graph {
  const g = new Graph('join-tokens');
  const parts = Array.from({ length: pieces }, (_, i) => g.input(`piece_${i}`, 'float32', shape(`T${i}`)));
  g.output('whole', g.concat(parts, 1, 'T'));
  return g;
}

/** Keys and values [B, G, P, K] of the tokens before, and of those that run [B, G, S, K] -> of all, seen_keys and seen_values [B, G, T, K]. */
export function joinKeys(config: ModelConfig): Graph {
  const g = new Graph('join-keys');
  for (const name of KEYS_AND_VALUES) {
    const parts = (['past', 'own'] as const).map((part) => ofKeys(g, config, `${part}_${name}`, part));
    g.output(`seen_${name}`, g.concat(parts, 2, 'T'));
  }
  return g;
}

/** The gradients of all keys and values [B, G, T, K] -> of those that run and are trained; see `ConstantTokens`. */
export function trainedKeys(config: ModelConfig): Graph {
  const g = new Graph('trained-keys');
  const constants = constantInputs(g);
  for (const name of KEYS_AND_VALUES)
    g.output(`d_${name}_own`, trainedOf(g, ofKeys(g, config, `d_${name}`, 'T'), constants));
  return g;
}

const KEYS_AND_VALUES = ['keys', 'values'] as const;

export const ofKeys = (g: Graph, { kvHeads: G, headSize: K }: ModelConfig, name: string, tokens: string): Value =>
  g.input(name, 'float32', ['B', G, tokens, K]);

export function constantInputs(g: Graph, own = 'S'): Readonly<Record<'own_from' | 'trained', Value>> {
  return { own_from: g.input('own_from', 'int64', [1]), trained: g.input('trained', 'float32', ['B', 1, own, 1]) };
}

/** Of the gradient of all keys or values [B, G, T, K], that of those that run [B, G, S, K], 0 where they are constants. */
export function trainedOf(g: Graph, dx: Value, { own_from, trained }: ReturnType<typeof constantInputs>): Value {
  return g.mul(g.slice(dx, 2, own_from, g.shapeOf(dx, 2, 3), trained.shape[2] as Dim), trained);
}

/** queries [B, S, G, R, K], keys and values [B, G, T, K]: of a layer, or their gradients. */
export type Projected = Readonly<Record<'queries' | 'keys' | 'values', Value>>;

/** Of the token axis, as floats: its own numbers [1, T], and what says which tokens see which [B, T]. */
export type TokenInputs = Readonly<Record<'index' | 'prompt_end' | 'branch_start' | 'positions', Value>>;

export function tokenInputs(g: Graph, tokens = 'T'): TokenInputs {
  const ofTokens = (name: string): Value => g.input(name, 'float32', ['B', tokens]);
  return {
    index: g.input('index', 'float32', [1, tokens]),
    prompt_end: ofTokens('prompt_end'),
    branch_start: ofTokens('branch_start'),
    positions: ofTokens('positions'),
  };
}

interface Range {
  readonly from: Value;
  readonly to: Value;
}

/** The chunk's columns among the batch's T, its rows among the S that ask, and the keys that it can see. */
interface Chunk {
  readonly queryRange: Range;
  readonly rowRange: Range;
  readonly keyRange: Range;
}

function attendInputs(g: Graph, { heads, kvHeads: G, headSize: K }: ModelConfig): [Projected, TokenInputs, Chunk] {
  const rangeInputs = (name: string): Range => ({
    from: g.input(`${name}_from`, 'int64', [1]),
    to: g.input(`${name}_to`, 'int64', [1]),
  });
  return [
    {
      queries: g.input('queries', 'float32', ['B', 'S', G, heads / G, K]),
      keys: g.input('keys', 'float32', ['B', G, 'T', K]),
      values: g.input('values', 'float32', ['B', G, 'T', K]),
    },
    tokenInputs(g),
    { queryRange: rangeInputs('query'), rowRange: rangeInputs('row'), keyRange: rangeInputs('key') },
  ];
}

/** P of the chunk [B, G, RC, E]: the R query heads of a key-value head are further rows of one product. */
function attend(
  g: Graph,
  config: ModelConfig,
  window: number | null,
  { queries: allQueries, keys: allKeys, values: allValues }: Projected,
  tokens: TokenInputs,
  { queryRange, rowRange, keyRange }: Chunk,
) {
  const { heads, kvHeads: G, headSize: K, queryScale } = config;
  const R = heads / G;
  const byHead = g.transpose(g.slice(allQueries, 1, rowRange.from, rowRange.to, 'C'), [0, 2, 3, 1, 4]);
  const queries = g.reshape(byHead, ['B', G, 'RC', K]);
  const keys = g.slice(allKeys, 2, keyRange.from, keyRange.to, 'E');
  const values = g.slice(allValues, 2, keyRange.from, keyRange.to, 'E');

  const products = g.matMul(queries, keys, { transB: true, alpha: queryScale }); // [B, G, RC, E]
  const sizes = g.concat([g.shapeOf(byHead, 0, 4), g.shapeOf(keys, 2, 3)], 0, 5);
  const bias = visibilityBias(g, window, tokens, queryRange, keyRange);
  const scores = g.add(g.reshapeTo(products, ['B', G, R, 'C', 'E'], sizes), bias);
  return {
    g,
    config,
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

type Attended = ReturnType<typeof attend>;

/** o = P v of the chunk, [B, C, G R K]. */
function mixedOf({ g, config, attention, values, unfold }: Attended): Value {
  return g.reshape(unfold(g.matMul(attention, values)), ['B', 'C', config.heads * config.headSize]);
}

/** The chunk's gradient of its queries [B, C, G, R, K], and its share of the keys' and the values' [B, G, T, K]. */
function gradientsOf(
  { g, config, attention, queries, keys, values, allKeys, rowRange, keyRange, fold, unfold }: Attended,
  whole: Readonly<Record<'mixed' | 'dMixed', Value>>,
): Projected {
  const { heads, kvHeads: G, headSize: K, queryScale: alpha } = config;
  const chunkOf = (all: Value): Value =>
    fold(g.reshape(g.slice(all, 1, rowRange.from, rowRange.to, 'C'), ['B', 'C', G, heads / G, K]));
  const [o, dO] = [chunkOf(whole.mixed), chunkOf(whole.dMixed)];
  const d = g.reduceSum(g.mul(dO, o), [-1]);
  const ones = g.expandTo(g.scalar(1), ['B', G, 'E', 1], g.concat([g.shapeOf(keys, 0, 3), g.int64s([1])], 0, 4));
  const dScores = g.mul(
    attention,
    g.matMul(g.concat([dO, g.neg(d)], 3), g.concat([values, ones], 3), { transB: true }),
  );
  const behind = g.sub(g.shapeOf(allKeys, 2, 3), keyRange.to);
  const among = (dx: Value): Value => g.pad(dx, 2, keyRange.from, behind, allKeys.shape[2] as Dim);
  return {
    queries: unfold(g.matMul(dScores, keys, { alpha })),
    keys: among(g.matMul(dScores, queries, { transA: true, alpha })),
    values: among(g.matMul(attention, dO, { transA: true })),
  };
}

/**
 * 0 where a query sees a key, -1e30 where not; [B, 1, 1, C, E]. A token sees keys before `prompt_end`, and keys from
 * `branch_start` up to itself; with a sliding window only those less than the window away in the text. Places are floats
 * (exact below 2^24): a GPU would slice whole numbers on the CPU.
 */
function visibilityBias(g: Graph, window: number | null, tokens: TokenInputs, queries: Range, keys: Range): Value {
  const column = (x: Value): Value =>
    g.reshape(g.slice(x, 1, queries.from, queries.to, 'C'), [x.shape[0] as string, 1, 1, 'C', 1]);
  const row = (x: Value): Value =>
    g.reshape(g.slice(x, 1, keys.from, keys.to, 'E'), [x.shape[0] as string, 1, 1, 1, 'E']);
  const { index, positions } = tokens;
  const key = row(index);
  const inPrompt = g.less(key, column(tokens.prompt_end));
  const inBranch = g.and(g.lessOrEqual(column(tokens.branch_start), key), g.lessOrEqual(key, column(index)));
  // Not an Or: a GPU would send it to the CPU.
  const bias = g.where(inPrompt, g.scalar(0), g.where(inBranch, g.scalar(0), g.scalar(-1e30)));
  if (window === null) return bias;
  const distance = g.sub(column(positions), row(positions));
  return g.where(g.less(distance, g.scalar(window)), bias, g.scalar(-1e30));
}
