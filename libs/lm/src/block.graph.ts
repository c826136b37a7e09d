import { differentiate, Graph, type Dim, type Value } from '@solopo/onnx-graph';
import type { ModelConfig } from './model-config.ts';
import { blockParameters } from './parameters.ts';

/*
 * Legend of shapes: B sequences, T tokens (padded), d hidden size, G key-value heads, R query heads a key-value head,
 * K head size, P prompt tokens, N samples a prompt, S tokens sampled so far.
 */

/** What a token sees: keys before `promptEnd`, and keys from `branchStart` up to the token itself. */
interface Geometry {
  /** float32 [B, T, 1, 1, K/2]: cosine and sine of the rotary angles. */
  readonly cos: Value;
  readonly sin: Value;
  /** int32 [B, 1, 1, T, 1] */
  readonly promptEnd: Value;
  readonly branchStart: Value;
  /** int32 [1, 1, 1, T, 1] and [1, 1, 1, 1, T]: 0, 1, 2 ... */
  readonly queryIndex: Value;
  readonly keyIndex: Value;
  /** int64 [chunks]: how T is divided for attention. */
  readonly chunks: Value;
}

type Weights = Readonly<Record<string, Value>>;

/** h [B, T, d] -> h' [B, T, d]; optionally the rotated keys and the values [B, G, 1, T, K], for sampling. */
export function blockForward(
  config: ModelConfig,
  { chunks, cache = false }: { chunks: number; cache?: boolean },
): Graph {
  const g = new Graph('block-forward');
  const h = g.input('h', 'float32', ['B', 'T', config.hiddenSize]);
  const weights = weightInputs(g, config);
  const { output, keys, values } = block(g, config, h, weights, geometryInputs(g, config, chunks), chunks);
  g.output('h_out', output);
  if (cache) {
    g.output('keys', keys);
    g.output('values', values);
  }
  return g;
}

/**
 * h, dh' -> dh and the gradient of every weight. The forward pass is computed again inside, so that only each block's
 * input has to be kept.
 */
export function blockBackward(config: ModelConfig, { chunks }: { chunks: number }): Graph {
  const g = new Graph('block-backward');
  const h = g.input('h', 'float32', ['B', 'T', config.hiddenSize]);
  const dy = g.input('dh_out', 'float32', ['B', 'T', config.hiddenSize]);
  const weights = weightInputs(g, config);
  const { output } = block(g, config, h, weights, geometryInputs(g, config, chunks), chunks);
  const names = Object.keys(weights);
  const [dh, ...dWeights] = differentiate(g, [{ y: output, dy }], [h, ...names.map((name) => weights[name] as Value)]);
  g.output('dh', dh as Value);
  names.forEach((name, index) => g.output(`d_${name}`, dWeights[index] as Value));
  return g;
}

/**
 * One token of N samples of each of B prompts: h [B, N, d] -> h' [B, N, d]. The prompt's keys and values are shared by
 * its samples; each sample's own are given and come back one longer.
 */
export function blockDecode(config: ModelConfig): Graph {
  const g = new Graph('block-decode');
  const { hiddenSize, kvHeads: G, headSize: K } = config;
  const h = g.input('h', 'float32', ['B', 'N', hiddenSize]);
  const weights = weightInputs(g, config);
  const cos = g.input('cos', 'float32', ['B', 'N', 1, 1, K / 2]);
  const sin = g.input('sin', 'float32', ['B', 'N', 1, 1, K / 2]);
  const promptKeys = g.input('prompt_keys', 'float32', ['B', G, 1, 'P', K]);
  const promptValues = g.input('prompt_values', 'float32', ['B', G, 1, 'P', K]);
  const promptBias = g.input('prompt_bias', 'float32', ['B', 1, 1, 1, 'P']);
  const ownKeys = g.input('own_keys', 'float32', ['B', 'N', G, 'S', K]);
  const ownValues = g.input('own_values', 'float32', ['B', 'N', G, 'S', K]);

  const { queries, keys, values } = project(
    g,
    config,
    rmsNorm(g, config, h, weight(weights, 'input_layernorm.weight')),
    weights,
    cos,
    sin,
    'N',
  );
  const allKeys = g.concat([ownKeys, g.reshape(keys, ['B', 'N', G, 1, K])], 3, 'S+1');
  const allValues = g.concat([ownValues, g.reshape(values, ['B', 'N', G, 1, K])], 3, 'S+1');

  // [B, G, R, N, P] and [B, N, G, R, S+1] -> [B, G, R, N, S+1]
  const byHead = g.transpose(queries, [0, 2, 3, 1, 4]);
  const promptScores = g.add(g.matMul(byHead, promptKeys, { transB: true }), promptBias);
  const ownScores = g.transpose(g.matMul(queries, allKeys, { transB: true }), [0, 2, 3, 1, 4]);
  const attention = g.softmax(g.concat([promptScores, ownScores], 4, 'P+S+1'));
  const [overPrompt, overOwn] = g.split(
    attention,
    4,
    ['P', 'S+1'],
    g.concat([g.shapeOf(promptKeys, 3, 4), g.shapeOf(allKeys, 3, 4)], 0),
  ) as [Value, Value];
  const fromPrompt = g.transpose(g.matMul(overPrompt, promptValues), [0, 3, 1, 2, 4]);
  const fromOwn = g.matMul(g.transpose(overOwn, [0, 3, 1, 2, 4]), allValues);
  const mixed = g.reshape(g.add(fromPrompt, fromOwn), ['B', 'N', config.heads * K]);

  const attended = g.add(h, linear(g, mixed, weight(weights, 'self_attn.o_proj.weight')));
  g.output('h_out', g.add(attended, feedForward(g, config, attended, weights)));
  g.output('own_keys_out', allKeys);
  g.output('own_values_out', allValues);
  return g;
}

function weightInputs(g: Graph, config: ModelConfig): Weights {
  return Object.fromEntries(blockParameters(config).map(([name, dims]) => [name, g.input(name, 'float32', dims)]));
}

function weight(weights: Weights, name: string): Value {
  return weights[name] as Value;
}

function geometryInputs(g: Graph, { headSize }: ModelConfig, chunks: number): Geometry {
  return {
    cos: g.input('cos', 'float32', ['B', 'T', 1, 1, headSize / 2]),
    sin: g.input('sin', 'float32', ['B', 'T', 1, 1, headSize / 2]),
    promptEnd: g.input('prompt_end', 'int32', ['B', 1, 1, 'T', 1]),
    branchStart: g.input('branch_start', 'int32', ['B', 1, 1, 'T', 1]),
    queryIndex: g.input('query_index', 'int32', [1, 1, 1, 'T', 1]),
    keyIndex: g.input('key_index', 'int32', [1, 1, 1, 1, 'T']),
    chunks: g.input('chunks', 'int64', [chunks]),
  };
}

/** A pre-norm transformer block: h + attention(norm h), then + feed-forward(norm of that). */
function block(g: Graph, config: ModelConfig, h: Value, weights: Weights, geometry: Geometry, chunks: number) {
  const { queries, keys, values } = project(
    g,
    config,
    rmsNorm(g, config, h, weight(weights, 'input_layernorm.weight')),
    weights,
    geometry.cos,
    geometry.sin,
    'T',
  );
  const byHead = (x: Value): Value => g.transpose(x, [0, 2, 3, 1, 4]); // [B, T, G, R, K] -> [B, G, R, T, K]
  const headKeys = byHead(keys);
  const headValues = byHead(values);
  const mixed = chunkedAttention(g, byHead(queries), headKeys, headValues, geometry, chunks);
  const joined = g.reshape(g.transpose(mixed, [0, 3, 1, 2, 4]), ['B', 'T', config.heads * config.headSize]);
  const attended = g.add(h, linear(g, joined, weight(weights, 'self_attn.o_proj.weight')));
  const output = g.add(attended, feedForward(g, config, attended, weights));
  return { output, keys: headKeys, values: headValues };
}

/** Rotated queries [B, T, G, R, K] (already divided by sqrt K) and keys [B, T, G, 1, K], and values [B, T, G, 1, K]. */
function project(
  g: Graph,
  { heads, kvHeads: G, headSize: K }: ModelConfig,
  x: Value,
  weights: Weights,
  cos: Value,
  sin: Value,
  tokens: Dim,
) {
  const projected = (name: string, perHead: number): Value =>
    g.reshape(
      g.add(linear(g, x, weight(weights, `self_attn.${name}.weight`)), weight(weights, `self_attn.${name}.bias`)),
      ['B', tokens, G, perHead, K],
    );
  return {
    queries: rotate(g, g.scale(projected('q_proj', heads / G), 1 / Math.sqrt(K)), cos, sin),
    keys: rotate(g, projected('k_proj', 1), cos, sin),
    values: projected('v_proj', 1),
  };
}

/** Rotary position embedding, halves convention: (a, b) -> (a cos - b sin, b cos + a sin). */
function rotate(g: Graph, x: Value, cos: Value, sin: Value): Value {
  const half = (x.shape[4] as number) / 2;
  const [a, b] = g.split(x, 4, [half, half]) as [Value, Value];
  return g.concat([g.sub(g.mul(a, cos), g.mul(b, sin)), g.add(g.mul(b, cos), g.mul(a, sin))], 4);
}

/**
 * softmax(q k' + mask) v. The queries are taken in chunks, and each chunk only against the keys up to its own end, so that
 * no more than a chunk's scores exist at a time and little of the causal triangle's empty half is computed.
 */
function chunkedAttention(
  g: Graph,
  queries: Value,
  keys: Value,
  values: Value,
  geometry: Geometry,
  chunks: number,
): Value {
  const dims: Dim[] = chunks === 1 ? ['T'] : Array.from({ length: chunks }, (_, i) => `T${i}`);
  const pieces = (x: Value, axis: number): Value[] => g.split(x, axis, dims, geometry.chunks);
  const queryPieces = pieces(queries, 3);
  const keyPieces = pieces(keys, 3);
  const valuePieces = pieces(values, 3);
  const queryIndex = pieces(geometry.queryIndex, 3);
  const keyIndex = pieces(geometry.keyIndex, 4);
  const promptEnd = pieces(geometry.promptEnd, 3);
  const branchStart = pieces(geometry.branchStart, 3);
  const outputs = queryPieces.map((query, c) => {
    const upTo = (parts: readonly Value[], axis: number): Value => g.concat(parts.slice(0, c + 1), axis);
    const bias = visibilityBias(g, {
      query: queryIndex[c] as Value,
      key: upTo(keyIndex, 4),
      promptEnd: promptEnd[c] as Value,
      branchStart: branchStart[c] as Value,
    });
    const scores = g.add(g.matMul(query, upTo(keyPieces, 3), { transB: true }), bias);
    return g.matMul(g.softmax(scores), upTo(valuePieces, 3));
  });
  return g.concat(outputs, 3, 'T');
}

/** 0 where the key is visible, -1e30 where not; [B, 1, 1, queries, keys]. */
function visibilityBias(
  g: Graph,
  { query, key, promptEnd, branchStart }: { query: Value; key: Value; promptEnd: Value; branchStart: Value },
): Value {
  const inPrompt = g.less(key, promptEnd);
  const inBranch = g.and(g.lessOrEqual(branchStart, key), g.lessOrEqual(key, query));
  return g.where(g.or(inPrompt, inBranch), g.scalar(0), g.scalar(-1e30));
}

/** x / sqrt(mean x^2 + eps) * w */
export function rmsNorm(g: Graph, { rmsNormEps }: Pick<ModelConfig, 'rmsNormEps'>, x: Value, w: Value): Value {
  const mean = g.reduceMean(g.mul(x, x), [-1]);
  return g.mul(g.div(x, g.sqrt(g.add(mean, g.scalar(rmsNormEps)))), w);
}

/** down(silu(gate x) * up x) of the normed input. */
function feedForward(g: Graph, config: ModelConfig, h: Value, weights: Weights): Value {
  const x = rmsNorm(g, config, h, weight(weights, 'post_attention_layernorm.weight'));
  const gate = linear(g, x, weight(weights, 'mlp.gate_proj.weight'));
  const up = linear(g, x, weight(weights, 'mlp.up_proj.weight'));
  return linear(g, g.mul(g.mul(gate, g.sigmoid(gate)), up), weight(weights, 'mlp.down_proj.weight'));
}

/** x W', with W [out, in] as Hugging Face stores it. */
function linear(g: Graph, x: Value, w: Value): Value {
  return g.matMul(x, w, { transB: true });
}
