import { Graph, type Dim, type RotaryTables, type Value } from '@solopo/onnx-graph';
import { AnswerBlock, type Hidden } from './answer-block.ts';
import type { BlockShape } from './block.graph.ts';
import type { ModelConfig } from './model-config.ts';
import { layerParameter } from './parameters.ts';

/*
 * Answers to prompts, layers [from, to) to a graph: prompts go through in chunks of their tokens, answers token by token. Keys and
 * values stay outside, in the process's memory; what a graph makes of its tokens comes out. Weights go by their names in the model,
 * angles and visibility (0, or -1e30) by their layers' kind.
 *
 * Legend of shapes: d hidden size, H query heads, G key-value heads, R = H / G, K head size; B prompts, T tokens of a chunk, E tokens
 * before it; A answers, Q prompts that have some, N places for a prompt's answers, P places for a prompt's tokens, S for an answer's.
 */

type LayerRange = readonly [from: number, to: number];

/**
 * A chunk of prompts: h [B T, d] of layer `from`, keys and values of the tokens before [B, G, E, K] (past_keys_LAYER), what is visible
 * of these and of the chunk, visible_KIND [T, E + T], and each token's row of the angles, order [B T, 1] -> h_out of layer `to - 1`;
 * all keys and values so far [B, G, E + T, K] (keys_LAYER, values_LAYER). `sizes` is [B, T].
 */
export function promptChunk(shape: BlockShape, [from, to]: LayerRange): Graph {
  const g = new Graph('prompt-chunk');
  const { config } = shape;
  const { hiddenSize: d, heads: H, kvHeads: G, headSize: K, queryScale: alpha } = config;
  const R = H / G;
  const order = g.input('order', 'int64', ['BT', 1]);
  const batch = g.input('sizes', 'int64', [2]);
  const ofKind = kindInputs(config, (kind) => ({
    tables: rotaryTables(g, config, kind, order),
    visible: g.input(`visible_${kind}`, 'float32', ['T', 'E+T']),
  }));
  // All layers' tensors have the same sizes at run time.
  const querySizes = g.concat([batch, g.int64s([G, R, K])], 0, 5);
  const keySizes = g.concat([batch, g.int64s([G, K])], 0, 4);
  const scoreSizes = once((byHead: Value, keys: Value) =>
    g.concat([g.shapeOf(byHead, 0, 4), g.shapeOf(keys, 2, 3)], 0, 5),
  );
  const foldedSizes = once((scores: Value) => g.shapeOf(scores));
  let hidden: Hidden = { past: g.input('h', 'float32', ['BT', d]), fed: null };
  for (let layer = from; layer < to; layer++) {
    const block = new AnswerBlock(g, shape, layerParameter(layer, ''));
    const { tables, visible } = ofKind(layer);
    const projected = block.project(hidden);
    const soFar = (name: string, own: Value): Value => {
      const byHead = g.transpose(g.reshapeTo(own, ['B', 'T', G, K], keySizes), [0, 2, 1, 3]);
      const all = g.concat([g.input(`past_${name}_${layer}`, 'float32', ['B', G, 'E', K]), byHead], 2, 'E+T');
      g.output(`${name}_${layer}`, all);
      return all;
    };
    const keys = soFar('keys', block.rotated(projected.keys, 'k_norm', G, tables));
    const values = soFar('values', projected.values);
    const queries = block.rotated(projected.queries, 'q_norm', H, tables);
    const byHead = g.transpose(g.reshapeTo(queries, ['B', 'T', G, R, K], querySizes), [0, 2, 3, 1, 4]); // [B, G, R, T, K]
    const scores = g.matMul(g.reshape(byHead, ['B', G, 'RT', K]), keys, { transB: true, alpha }); // [B, G, RT, E+T]
    const seen = g.add(g.reshapeTo(scores, ['B', G, R, 'T', 'E+T'], scoreSizes(byHead, keys)), visible);
    const attention = g.reshapeTo(g.softmax(seen), scores.shape, foldedSizes(scores));
    const mixed = g.reshape(g.matMul(attention, values), ['B', G, R, 'T', K]);
    const rows = g.reshapeTo(g.transpose(mixed, [0, 3, 1, 2, 4]), ['BT', H * K], g.int64s([-1, H * K]));
    hidden = block.finish(projected.past, rows);
  }
  g.output('h_out', added(g, hidden));
  return g;
}

/**
 * One token of each of A answers: h [A, d] of layer `from`; the prompts' keys and values [Q, G, P, K] (prompt_keys_LAYER) and the
 * answers' own so far [Q, N, G, S, K] (own_keys_LAYER), what is visible of these and of the token, visible_KIND [Q, 1, 1, P + S + 1];
 * at which place each answer is, places [A], which answer is at each place, answers [Q N] (any, where there is none), and each
 * place's row of the angles, order [Q N, 1] -> h_out of layer `to - 1`; the token's keys and values [Q N, G K] (keys_LAYER,
 * values_LAYER).
 */
export function answerToken(shape: BlockShape, [from, to]: LayerRange): Graph {
  const g = new Graph('answer-token');
  const { config } = shape;
  const { hiddenSize: d, heads: H, kvHeads: G, headSize: K, queryScale: alpha } = config;
  const R = H / G;
  const places = g.input('places', 'int64', ['A']);
  const answers = g.input('answers', 'int64', ['QN']);
  const order = g.input('order', 'int64', ['QN', 1]);
  const ofKind = kindInputs(config, (kind) => ({
    tables: rotaryTables(g, config, kind, order),
    visible: g.input(`visible_${kind}`, 'float32', ['Q', 1, 1, 'P+S+1']),
  }));
  // All layers' tensors have the same sizes at run time.
  const querySizes = once((own: Value) => g.concat([g.shapeOf(own, 0, 2), g.int64s([G, R, K])], 0, 5));
  const keySizes = once((own: Value) => g.concat([g.shapeOf(own, 0, 2), g.int64s([G, 1, K])], 0, 5));
  const ownRowSizes = once((rows: Value, own: Value) => g.concat([g.shapeOf(rows, 0, 3), g.shapeOf(own, 4, 5)], 0, 4));
  const ownSizes = once((byHead: Value, own: Value) => g.concat([g.shapeOf(byHead, 0, 4), g.shapeOf(own, 3, 4)], 0, 5));
  const lengths = once((prompt: Value, own: Value) =>
    g.concat([g.shapeOf(prompt, 2, 3), g.shapeOf(own, 3, 4), g.int64s([1])], 0, 3),
  );
  let hidden: Hidden = { past: g.input('h', 'float32', ['A', d]), fed: null };
  for (let layer = from; layer < to; layer++) {
    const block = new AnswerBlock(g, shape, layerParameter(layer, ''));
    const { tables, visible } = ofKind(layer);
    const cache = (name: string, dims: readonly Dim[]): Value => g.input(`${name}_${layer}`, 'float32', dims);
    const promptKeys = cache('prompt_keys', ['Q', G, 'P', K]);
    const promptValues = cache('prompt_values', ['Q', G, 'P', K]);
    const ownKeys = cache('own_keys', ['Q', 'N', G, 'S', K]);
    const ownValues = cache('own_values', ['Q', 'N', G, 'S', K]);

    const projected = block.project(hidden);
    const atPlaces = (x: Value): Value => g.gatherRows(x, answers);
    const queries = block.rotated(atPlaces(projected.queries), 'q_norm', H, tables);
    const keys = block.rotated(atPlaces(projected.keys), 'k_norm', G, tables);
    const values = atPlaces(projected.values);
    g.output(`keys_${layer}`, keys);
    g.output(`values_${layer}`, values);
    const q = g.reshapeTo(queries, ['Q', 'N', G, R, K], querySizes(ownKeys));
    const [k, v] = [keys, values].map((x) => g.reshapeTo(x, ['Q', 'N', G, 1, K], keySizes(ownKeys))) as [Value, Value];

    // Over the prompt all of its answers' query heads are rows of one product; over its own tokens each answer has its own.
    const byHead = g.transpose(q, [0, 2, 3, 1, 4]); // [Q, G, R, N, K]
    const rows = g.reshape(byHead, ['Q', G, 'RN', K]);
    const overPrompt = g.matMul(rows, promptKeys, { transB: true, alpha }); // [Q, G, RN, P]
    const overOwn = g.matMul(q, ownKeys, { transB: true, alpha }); // [Q, N, G, R, S]
    const own = g.transpose(g.concat([overOwn, over(g, q, k, alpha)], 4, 'S+1'), [0, 2, 3, 1, 4]); // [Q, G, R, N, S+1]
    const ownRows = g.reshapeTo(own, ['Q', G, 'RN', 'S+1'], ownRowSizes(rows, own));
    const scores = g.add(g.concat([overPrompt, ownRows], 3, 'P+S+1'), visible);
    const shares = g.split(g.softmax(scores), 3, ['P', 'S', 1], lengths(promptKeys, ownKeys));
    const [toPrompt, toOwn, toThis] = shares as [Value, Value, Value];
    const byPlace = (x: Value): Value => g.transpose(x, [0, 3, 1, 2, 4]); // [Q, G, R, N, X] -> [Q, N, G, R, X]
    const fromPrompt = byPlace(g.reshape(g.matMul(toPrompt, promptValues), ['Q', G, R, 'N', K]));
    const ownShares = byPlace(g.reshapeTo(toOwn, ['Q', G, R, 'N', 'S'], ownSizes(byHead, ownKeys)));
    const fromThis = g.mul(byPlace(g.reshape(toThis, ['Q', G, R, 'N', 1])), v);
    const mixed = g.add(g.add(fromPrompt, g.matMul(ownShares, ownValues)), fromThis); // [Q, N, G, R, K]
    const flat = g.reshapeTo(mixed, ['QN', H * K], g.int64s([-1, H * K]));
    hidden = block.finish(projected.past, g.gatherRows(flat, places));
  }
  g.output('h_out', added(g, hidden));
  return g;
}

/**
 * As `answerToken` where a prompt has one answer: its tokens stand behind the prompt's, h [Q, d], visible_KIND [Q, 1, 1, P + 1].
 */
export function singleAnswerToken(shape: BlockShape, [from, to]: LayerRange): Graph {
  const g = new Graph('single-answer-token');
  const { config } = shape;
  const { hiddenSize: d, heads: H, kvHeads: G, headSize: K, queryScale: alpha } = config;
  const R = H / G;
  const order = g.input('order', 'int64', ['Q', 1]);
  const ofKind = kindInputs(config, (kind) => ({
    tables: rotaryTables(g, config, kind, order),
    visible: g.input(`visible_${kind}`, 'float32', ['Q', 1, 1, 'P+1']),
  }));
  const lengths = once((keys: Value) => g.concat([g.shapeOf(keys, 2, 3), g.int64s([1])], 0, 2));
  let hidden: Hidden = { past: g.input('h', 'float32', ['Q', d]), fed: null };
  for (let layer = from; layer < to; layer++) {
    const block = new AnswerBlock(g, shape, layerParameter(layer, ''));
    const { tables, visible } = ofKind(layer);
    const cache = (name: string): Value => g.input(`prompt_${name}_${layer}`, 'float32', ['Q', G, 'P', K]);
    const [pastKeys, pastValues] = [cache('keys'), cache('values')];
    const projected = block.project(hidden);
    const keys = block.rotated(projected.keys, 'k_norm', G, tables);
    g.output(`keys_${layer}`, keys);
    g.output(`values_${layer}`, projected.values);
    const q = g.reshape(block.rotated(projected.queries, 'q_norm', H, tables), ['Q', G, R, K]);
    const [k, v] = [keys, projected.values].map((x) => g.reshape(x, ['Q', G, 1, K])) as [Value, Value];
    const overPast = g.matMul(q, pastKeys, { transB: true, alpha }); // [Q, G, R, P]
    const scores = g.add(g.concat([overPast, over(g, q, k, alpha)], 3, 'P+1'), visible);
    const [toPast, toThis] = g.split(g.softmax(scores), 3, ['P', 1], lengths(pastKeys)) as [Value, Value];
    const mixed = g.add(g.matMul(toPast, pastValues), g.mul(toThis, v));
    hidden = block.finish(projected.past, g.reshape(mixed, ['Q', H * K]));
  }
  g.output('h_out', added(g, hidden));
  return g;
}

/** Rows of a multiple of so many numbers are summed in the same order wherever they lie in memory. */
const ALIGNED = 16;

/** alpha q k' of queries [..., R, K] and one key [..., 1, K]: [..., R, 1]. */
function over(g: Graph, q: Value, k: Value, alpha: number): Value {
  // A product for each key costs more than the sums.
  if ((q.shape.at(-1) as number) % ALIGNED !== 0) return g.matMul(q, k, { transB: true, alpha });
  return g.scale(g.reduceSum(g.mul(q, k), [-1]), alpha);
}

const added = (g: Graph, { past, fed }: Hidden): Value => (fed ? g.add(past, fed) : past);

function rotaryTables(g: Graph, { headSize }: ModelConfig, kind: number, order: Value): RotaryTables {
  const table = (name: string): Value => g.input(`${name}_${kind}`, 'float32', ['rows', headSize / 2]);
  return { cos: table('cos'), sin: table('sin'), order };
}

/** What layers of a kind share, made with the first of them. */
function kindInputs<T>(config: ModelConfig, make: (kind: number) => T): (layer: number) => T {
  const known = new Map<number, T>();
  return (layer) => {
    const kind = config.kindOfLayer[layer] as number;
    const made = known.get(kind) ?? make(kind);
    known.set(kind, made);
    return made;
  };
}

/** What is made of the first layer's tensors serves all. */
function once<Inputs extends readonly Value[]>(make: (...inputs: Inputs) => Value): (...inputs: Inputs) => Value {
  let made: Value | undefined;
  return (...inputs) => (made ??= make(...inputs));
}
