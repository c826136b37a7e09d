import { differentiate, Graph, type Dim, type Value } from '@solopo/onnx-graph';
import type { Activation } from './families/family.ts';
import { blockLoraParameters, loraScale, type LoraOptions } from './lora.ts';
import type { ModelConfig } from './model-config.ts';
import { blockParameters } from './parameters.ts';

/*
 * Legend of shapes: B sequences, T tokens (padded), d hidden size, G key-value heads, R query heads a key-value head,
 * K head size, P prompt tokens, N samples a prompt, S tokens sampled so far.
 */

/** What a block is made of: the model's architecture, and the adapter on it, if any. */
export interface BlockShape {
  readonly config: ModelConfig;
  readonly lora: LoraOptions | null;
}

/** Which of its graphs a block of this shape runs. */
export interface Passes {
  /** Into how many chunks attention takes its queries. */
  readonly chunks: number;
  /** Keys a token can see, itself included; null: all before it. */
  readonly window: number | null;
}

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
  /** int32 [B, 1, 1, T, 1] and [B, 1, 1, 1, T]: places in the text; only where a sliding window needs them. */
  readonly positions: { readonly query: Value; readonly key: Value; readonly window: number } | null;
  /** int64 [chunks]: how T is divided for attention. */
  readonly chunks: Value;
}

/** h [B, T, d] -> h' [B, T, d]; optionally the rotated keys and the values [B, G, 1, T, K], for sampling. */
export function blockForward(shape: BlockShape, { cache = false, ...passes }: Passes & { cache?: boolean }): Graph {
  const g = new Graph('block-forward');
  const h = g.input('h', 'float32', ['B', 'T', shape.config.hiddenSize]);
  const block = new Block(g, shape);
  const { output, keys, values } = block.forward(h, geometryInputs(g, shape.config, passes), passes.chunks);
  g.output('h_out', output);
  if (cache) {
    g.output('keys', keys);
    g.output('values', values);
  }
  return g;
}

/**
 * h, dh' -> dh and the gradient of what is trained: every weight, or the adapter's matrices. The forward pass is computed
 * again inside, so that only each block's input has to be kept.
 */
export function blockBackward(shape: BlockShape, passes: Passes): Graph {
  const g = new Graph('block-backward');
  const h = g.input('h', 'float32', ['B', 'T', shape.config.hiddenSize]);
  const dy = g.input('dh_out', 'float32', ['B', 'T', shape.config.hiddenSize]);
  const block = new Block(g, shape);
  const { output } = block.forward(h, geometryInputs(g, shape.config, passes), passes.chunks);
  const [dh, ...dTrained] = differentiate(g, [{ y: output, dy }], [h, ...block.trained.map(([, value]) => value)]);
  g.output('dh', dh as Value);
  block.trained.forEach(([name], index) => g.output(`d_${name}`, dTrained[index] as Value));
  return g;
}

/**
 * One token of N samples of each of B prompts: h [B, N, d] -> h' [B, N, d]. The prompt's keys and values are shared by
 * its samples; each sample's own are given and come back one longer.
 */
export function blockDecode(shape: BlockShape): Graph {
  const g = new Graph('block-decode');
  const { hiddenSize, kvHeads: G, headSize: K, heads } = shape.config;
  const h = g.input('h', 'float32', ['B', 'N', hiddenSize]);
  const block = new Block(g, shape);
  const cos = g.input('cos', 'float32', ['B', 'N', 1, 1, K / 2]);
  const sin = g.input('sin', 'float32', ['B', 'N', 1, 1, K / 2]);
  const promptKeys = g.input('prompt_keys', 'float32', ['B', G, 1, 'P', K]);
  const promptValues = g.input('prompt_values', 'float32', ['B', G, 1, 'P', K]);
  const promptBias = g.input('prompt_bias', 'float32', ['B', 1, 1, 1, 'P']);
  const ownKeys = g.input('own_keys', 'float32', ['B', 'N', G, 'S', K]);
  const ownValues = g.input('own_values', 'float32', ['B', 'N', G, 'S', K]);

  const { queries, keys, values } = block.project(h, cos, sin, 'N');
  const allKeys = g.concat([ownKeys, g.reshape(keys, ['B', 'N', G, 1, K])], 3, 'S+1');
  const allValues = g.concat([ownValues, g.reshape(values, ['B', 'N', G, 1, K])], 3, 'S+1');

  // [B, G, R, N, P] and [B, N, G, R, S+1] -> [B, G, R, N, S+1]
  const byHead = g.transpose(queries, [0, 2, 3, 1, 4]);
  const promptScores = g.add(g.matMul(byHead, promptKeys, { transB: true }), promptBias);
  const ownScores = g.transpose(g.matMul(queries, allKeys, { transB: true }), [0, 2, 3, 1, 4]);
  const attention = g.softmax(g.concat([promptScores, ownScores], 4, 'P+S+1'));
  const lengths = g.concat([g.shapeOf(promptKeys, 3, 4), g.shapeOf(allKeys, 3, 4)], 0);
  const [overPrompt, overOwn] = g.split(attention, 4, ['P', 'S+1'], lengths) as [Value, Value];
  const fromPrompt = g.transpose(g.matMul(overPrompt, promptValues), [0, 3, 1, 2, 4]);
  const fromOwn = g.matMul(g.transpose(overOwn, [0, 3, 1, 2, 4]), allValues);
  const mixed = g.reshape(g.add(fromPrompt, fromOwn), ['B', 'N', heads * K]);

  g.output('h_out', block.finish(h, mixed));
  g.output('own_keys_out', allKeys);
  g.output('own_values_out', allValues);
  return g;
}

function geometryInputs(g: Graph, { headSize }: ModelConfig, { chunks, window }: Passes): Geometry {
  return {
    cos: g.input('cos', 'float32', ['B', 'T', 1, 1, headSize / 2]),
    sin: g.input('sin', 'float32', ['B', 'T', 1, 1, headSize / 2]),
    promptEnd: g.input('prompt_end', 'int32', ['B', 1, 1, 'T', 1]),
    branchStart: g.input('branch_start', 'int32', ['B', 1, 1, 'T', 1]),
    queryIndex: g.input('query_index', 'int32', [1, 1, 1, 'T', 1]),
    keyIndex: g.input('key_index', 'int32', [1, 1, 1, 1, 'T']),
    positions:
      window === null
        ? null
        : {
            query: g.input('query_position', 'int32', ['B', 1, 1, 'T', 1]),
            key: g.input('key_position', 'int32', ['B', 1, 1, 1, 'T']),
            window,
          },
    chunks: g.input('chunks', 'int64', [chunks]),
  };
}

/**
 * A transformer block: h + attention(norm h), then + feed-forward(norm of that). Where a family norms what each of the two
 * gives as well, it is added normed.
 */
class Block {
  readonly #weights: ReadonlyMap<string, Value>;
  /** What gradients are taken of, by name. */
  readonly trained: readonly (readonly [name: string, value: Value])[];

  constructor(
    private readonly g: Graph,
    private readonly shape: BlockShape,
  ) {
    const { config, lora } = shape;
    const inputs = (parameters: readonly (readonly [string, readonly number[]])[]) =>
      parameters.map(([name, dims]) => [name, g.input(name, 'float32', dims)] as const);
    const base = inputs(blockParameters(config));
    const adapter = lora ? inputs(blockLoraParameters(config, lora)) : [];
    this.#weights = new Map([...base, ...adapter]);
    this.trained = lora ? adapter : base;
  }

  forward(h: Value, geometry: Geometry, chunks: number): { output: Value; keys: Value; values: Value } {
    const { g } = this;
    const { heads, headSize } = this.shape.config;
    const { queries, keys, values } = this.project(h, geometry.cos, geometry.sin, 'T');
    const byHead = (x: Value): Value => g.transpose(x, [0, 2, 3, 1, 4]); // [B, T, G, R, K] -> [B, G, R, T, K]
    const headKeys = byHead(keys);
    const headValues = byHead(values);
    const mixed = chunkedAttention(g, byHead(queries), headKeys, headValues, geometry, chunks);
    const joined = g.reshape(g.transpose(mixed, [0, 3, 1, 2, 4]), ['B', 'T', heads * headSize]);
    return { output: this.finish(h, joined), keys: headKeys, values: headValues };
  }

  /** Rotated queries [B, T, G, R, K] (already scaled) and keys [B, T, G, 1, K], and values [B, T, G, 1, K]. */
  project(h: Value, cos: Value, sin: Value, tokens: Dim): { queries: Value; keys: Value; values: Value } {
    const { g } = this;
    const { heads, kvHeads: G, headSize: K, headNorms, queryScale } = this.shape.config;
    const x = this.#norm(h, 'input_layernorm.weight');
    const projected = (name: string, perHead: number): Value =>
      g.reshape(this.#linear(x, `self_attn.${name}`), ['B', tokens, G, perHead, K]);
    const normed = (y: Value, name: string): Value => (headNorms ? this.#norm(y, `self_attn.${name}.weight`) : y);
    return {
      queries: rotate(g, g.scale(normed(projected('q_proj', heads / G), 'q_norm'), queryScale), cos, sin),
      keys: rotate(g, normed(projected('k_proj', 1), 'k_norm'), cos, sin),
      values: projected('v_proj', 1),
    };
  }

  /** From the mixed values of all heads to the block's output: down(act(gate x) * up x) of the normed sum, added. */
  finish(h: Value, mixed: Value): Value {
    const { g } = this;
    const { activation, norms } = this.shape.config;
    // With norms after, "post_attention" names the one after attention, and the one before feed-forward has its own name.
    const after = (x: Value, name: string): Value => (norms.after ? this.#norm(x, name) : x);
    const before = norms.after ? 'pre_feedforward_layernorm.weight' : 'post_attention_layernorm.weight';
    const attention = this.#linear(mixed, 'self_attn.o_proj');
    const attended = g.add(h, after(attention, 'post_attention_layernorm.weight'));
    const x = this.#norm(attended, before);
    const gate = ACTIVATIONS[activation](g, this.#linear(x, 'mlp.gate_proj'));
    const fed = this.#linear(g.mul(gate, this.#linear(x, 'mlp.up_proj')), 'mlp.down_proj');
    return g.add(attended, after(fed, 'post_feedforward_layernorm.weight'));
  }

  /** x W' + b + s (x A') B', with W [out, in] as Hugging Face stores it; bias and adapter where the layer has them. */
  #linear(x: Value, name: string): Value {
    const { g } = this;
    const { lora } = this.shape;
    const product = g.matMul(x, this.#weight(`${name}.weight`), { transB: true });
    const bias = this.#weights.get(`${name}.bias`);
    const y = bias ? g.add(product, bias) : product;
    const a = this.#weights.get(`${name}.lora_A.weight`);
    if (!a || !lora) return y;
    const b = this.#weight(`${name}.lora_B.weight`);
    return g.add(y, g.matMul(g.matMul(x, a, { transB: true }), b, { transB: true, alpha: loraScale(lora) }));
  }

  #norm(x: Value, name: string): Value {
    return rmsNorm(this.g, this.shape.config, x, this.#weight(name));
  }

  #weight(name: string): Value {
    return this.#weights.get(name) as Value;
  }
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
  const { positions } = geometry;
  const ofQuery = {
    index: pieces(geometry.queryIndex, 3),
    promptEnd: pieces(geometry.promptEnd, 3),
    branchStart: pieces(geometry.branchStart, 3),
    position: positions && pieces(positions.query, 3),
  };
  const ofKey = { index: pieces(geometry.keyIndex, 4), position: positions && pieces(positions.key, 4) };
  const outputs = queryPieces.map((query, c) => {
    const upTo = (parts: readonly Value[], axis: number): Value => g.concat(parts.slice(0, c + 1), axis);
    const bias = visibilityBias(g, {
      query: ofQuery.index[c] as Value,
      key: upTo(ofKey.index, 4),
      promptEnd: ofQuery.promptEnd[c] as Value,
      branchStart: ofQuery.branchStart[c] as Value,
      distance:
        positions && ofQuery.position && ofKey.position
          ? { value: g.sub(ofQuery.position[c] as Value, upTo(ofKey.position, 4)), window: positions.window }
          : null,
    });
    const scores = g.add(g.matMul(query, upTo(keyPieces, 3), { transB: true }), bias);
    return g.matMul(g.softmax(scores), upTo(valuePieces, 3));
  });
  return g.concat(outputs, 3, 'T');
}

interface Visibility {
  readonly query: Value;
  readonly key: Value;
  readonly promptEnd: Value;
  readonly branchStart: Value;
  /** Places between key and query, and from how many on the key is out of sight. */
  readonly distance: { readonly value: Value; readonly window: number } | null;
}

/** 0 where the key is visible, -1e30 where not; [B, 1, 1, queries, keys]. */
function visibilityBias(g: Graph, { query, key, promptEnd, branchStart, distance }: Visibility): Value {
  const inPrompt = g.less(key, promptEnd);
  const inBranch = g.and(g.lessOrEqual(branchStart, key), g.lessOrEqual(key, query));
  const causal = g.or(inPrompt, inBranch);
  const visible = distance ? g.and(causal, g.less(distance.value, g.scalar(distance.window, 'int32'))) : causal;
  return g.where(visible, g.scalar(0), g.scalar(-1e30));
}

const ACTIVATIONS: Readonly<Record<Activation, (g: Graph, x: Value) => Value>> = {
  // x sigmoid(x)
  silu: (g, x) => g.mul(x, g.sigmoid(x)),
  // x / 2 (1 + tanh u) = x sigmoid(2 u),  u = sqrt(2 / pi) (x + 0.044715 x^3)
  'gelu-tanh': (g, x) => {
    const u = g.mul(x, g.add(g.scale(g.mul(x, x), 0.044715), g.scalar(1)));
    return g.mul(x, g.sigmoid(g.scale(u, 2 * Math.sqrt(2 / Math.PI))));
  },
};

/** x / sqrt(mean x^2 + eps) * w, or * (1 + w) */
export function rmsNorm(
  g: Graph,
  { rmsNormEps, norms }: Pick<ModelConfig, 'rmsNormEps' | 'norms'>,
  x: Value,
  w: Value,
): Value {
  const mean = g.reduceMean(g.mul(x, x), [-1]);
  const normed = g.div(x, g.sqrt(g.add(mean, g.scalar(rmsNormEps))));
  return g.mul(normed, norms.unitOffset ? g.add(w, g.scalar(1)) : w);
}
