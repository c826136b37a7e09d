import { differentiate, Graph, type Dim, type Value } from '@solopo/onnx-graph';
import type { Activation } from './families/family.ts';
import { blockLoraParameters, loraScale, type LoraOptions } from './lora.ts';
import type { ModelConfig } from './model-config.ts';
import { scaleOf } from './frozen-weights.ts';
import { storedBlockParameters, type StoredForm } from './parameters.ts';

/*
 * A block in three parts: `project` makes queries, keys and values of its input, attention mixes the values (see
 * attention.graph.ts), and `finish` makes the block's output of the mixed values. Each part has a forward and a backward graph.
 *
 * Legend of shapes: B sequences, T tokens (padded), d hidden size, G key-value heads, R query heads a key-value head,
 * K head size, f feed-forward size, P prompt tokens, N samples a prompt, S tokens sampled so far.
 */

/** What a block is made of: the model's architecture, and the adapter on it, if any. */
export interface BlockShape extends StoredForm {
  readonly config: ModelConfig;
  readonly lora: LoraOptions | null;
  /** Products with weights given as float16 are of half-precision numbers; all else is float32. Default: float32. */
  readonly products?: 'float16';
}

/** What the backward graphs read of a forward pass beside the block's input, by the graphs' names of it. */
export const FINISH_ACTIVATIONS = ['attended', 'gate', 'up'] as const;

/** Of which tokens a block makes its output: of all, or (the last block) only of those from `output_from` to `output_to`. */
export interface ProjectOptions {
  readonly outputs: 'all' | 'some';
}

/**
 * h [B, T, d] -> rotated queries [B, S, G, R, K], rotated keys and values [B, G, T, K]. S is T, or the tokens of which the
 * block makes its output: then these of h, `h_some` [B, S, d], too.
 */
export function projectForward(shape: BlockShape, { outputs }: ProjectOptions): Graph {
  const g = new Graph('project-forward');
  const projected = project(g, new Block(g, shape), outputs);
  for (const [name, value] of Object.entries(projected)) if (name !== 'h') g.output(name, value);
  return g;
}

/**
 * d_queries, d_keys, d_values, and the gradient that reaches h past the attention -> dh, and that of what is trained;
 * where it adds, to the sum so far (NAME_sum).
 */
export function projectBackward(shape: BlockShape, { outputs, add }: ProjectOptions & { add: boolean }): Graph {
  const g = new Graph('project-backward');
  const block = new Block(g, shape);
  const { h, h_some: some = h, queries, keys, values } = project(g, block, outputs);
  const gradients = Object.entries({ queries, keys, values }).map(([name, y]) => ({
    y,
    dy: g.input(`d_${name}`, 'float32', y.shape),
  }));
  const trained = block.trainedIn('project');
  const [dh, ...dTrained] = differentiate(
    g,
    [{ y: some, dy: g.input('dh_past', 'float32', some.shape) }, ...gradients],
    [h, ...trained.map(([, value]) => value)],
  );
  g.output('dh', dh as Value);
  outputTrained(g, trained, dTrained, add);
  return g;
}

function project(g: Graph, block: Block, outputs: 'all' | 'some'): ProjectedBlock & { readonly h: Value } {
  const h = g.input('h', 'float32', ['B', 'T', block.shape.config.hiddenSize]);
  return { h, ...block.project(h, angleInputs(g, block.shape.config), outputs === 'all' ? null : outputRange(g)) };
}

/** Cosines and sines of the tokens' positions. */
export function angleInputs(g: Graph, { headSize }: ModelConfig, suffix = ''): Readonly<Record<'cos' | 'sin', Value>> {
  const angles = (name: string): Value => g.input(`${name}${suffix}`, 'float32', ['B', 'T', 1, 1, headSize / 2]);
  return { cos: angles('cos'), sin: angles('sin') };
}

/** The tokens of which a block makes its output. */
export function outputRange(g: Graph): Readonly<Record<'from' | 'to', Value>> {
  return { from: g.input('output_from', 'int64', [1]), to: g.input('output_to', 'int64', [1]) };
}

/** `h_some`: the tokens of h whose output the block makes; absent where these are all. */
export type ProjectedBlock = Readonly<Record<'queries' | 'keys' | 'values', Value> & { h_some?: Value }>;

/** h [B, T, d], mixed [B, T, G R K] -> h_out [B, T, d] and what the backward graph reads; of these, what is asked for. */
export function finishForward(shape: BlockShape, wanted: { output: boolean; activations: boolean }): Graph {
  const g = new Graph('finish-forward');
  const { attended, gate, up, output } = finish(g, new Block(g, shape));
  if (wanted.output) g.output('h_out', output);
  if (wanted.activations) {
    g.output('attended', attended);
    g.output('gate', gate);
    g.output('up', up);
  }
  return g;
}

/**
 * dh_out and the forward pass's activations -> d_mixed, what of the gradient reaches h (dh_past), and that of what is
 * trained; where it adds, to the sum so far (NAME_sum).
 */
export function finishBackward(shape: BlockShape, { add }: { add: boolean }): Graph {
  const g = new Graph('finish-backward');
  const block = new Block(g, shape);
  const { h, mixed, output, ...activations } = finish(g, block);
  const trained = block.trainedIn('finish');
  const dy = g.input('dh_out', 'float32', output.shape);
  const [dMixed, dh, ...dTrained] = differentiate(
    g,
    [{ y: output, dy }],
    [mixed, h, ...trained.map(([, value]) => value)],
  );
  for (const name of FINISH_ACTIVATIONS) g.given(name, activations[name]);
  g.output('d_mixed', dMixed as Value);
  g.output('dh_past', dh as Value);
  outputTrained(g, trained, dTrained, add);
  return g;
}

export function outputTrained(
  g: Graph,
  trained: readonly (readonly [name: string, value: Value])[],
  gradients: readonly Value[],
  add: boolean,
): void {
  trained.forEach(([name, { shape }], index) => {
    const gradient = gradients[index] as Value;
    g.output(`d_${name}`, add ? g.add(g.input(`d_${name}_sum`, 'float32', shape), gradient) : gradient);
  });
}

function finish(g: Graph, block: Block) {
  const { hiddenSize, heads, headSize } = block.shape.config;
  const h = g.input('h', 'float32', ['B', 'T', hiddenSize]);
  const mixed = g.input('mixed', 'float32', ['B', 'T', heads * headSize]);
  return { h, mixed, ...block.finish(h, mixed) };
}

const isProjection = (parameter: string): boolean => /^(input_layernorm|self_attn\.[qkv]_)/.test(parameter);

/**
 * One token of N samples of each of B prompts: h [B, N, d] -> h' [B, N, d]. The prompt's keys and values are shared by
 * its samples; each sample's own are given, except with its first token, and come back one longer.
 */
export function blockDecode(shape: BlockShape, { first }: { first: boolean }): Graph {
  const g = new Graph('block-decode');
  const { hiddenSize, kvHeads: G, headSize: K, heads, queryScale: alpha } = shape.config;
  const h = g.input('h', 'float32', ['B', 'N', hiddenSize]);
  const block = new Block(g, shape, 'few');
  const cos = g.input('cos', 'float32', ['B', 'N', 1, 1, K / 2]);
  const sin = g.input('sin', 'float32', ['B', 'N', 1, 1, K / 2]);
  const promptKeys = g.input('prompt_keys', 'float32', ['B', G, 'P', K]);
  const promptValues = g.input('prompt_values', 'float32', ['B', G, 'P', K]);
  const promptBias = g.input('prompt_bias', 'float32', ['B', 1, 1, 'P']);

  const x = block.normed(h);
  const queries = block.queries(x, cos, sin, 'N');
  const keys = block.keys(x, cos, sin, 'N');
  const values = block.values(x, 'N');
  const grown = (name: string, x: Value): Value => {
    const token = g.reshape(x, ['B', 'N', G, 1, K]);
    if (first) return g.reshapeTo(token, ['B', 'N', G, 'S+1', K], g.shapeOf(token));
    return g.concat([g.input(name, 'float32', ['B', 'N', G, 'S', K]), token], 3, 'S+1');
  };
  const allKeys = grown('own_keys', keys);
  const allValues = grown('own_values', values);

  // Over the prompt, all samples' query heads are rows of one product; over its own tokens each sample has its own.
  const byHead = g.transpose(queries, [0, 2, 3, 1, 4]); // [B, G, R, N, K]
  const rows = g.reshape(byHead, ['B', G, 'RN', K]);
  const promptScores = g.add(g.matMul(rows, promptKeys, { transB: true, alpha }), promptBias); // [B, G, RN, P]
  const ownByHead = g.transpose(g.matMul(queries, allKeys, { transB: true, alpha }), [0, 2, 3, 1, 4]); // [B, G, R, N, S+1]
  const ownSizes = g.concat([g.shapeOf(rows, 0, 3), g.shapeOf(allKeys, 3, 4)], 0, 4);
  const ownScores = g.reshapeTo(ownByHead, ['B', G, 'RN', 'S+1'], ownSizes);
  const attention = g.softmax(g.concat([promptScores, ownScores], 3, 'P+S+1'));
  const lengths = g.concat([g.shapeOf(promptKeys, 2, 3), g.shapeOf(allKeys, 3, 4)], 0, 2);
  const [overPrompt, overOwn] = g.split(attention, 3, ['P', 'S+1'], lengths) as [Value, Value];
  const fromPrompt = g.transpose(g.reshapeLike(g.matMul(overPrompt, promptValues), byHead), [0, 3, 1, 2, 4]);
  const overOwnByHead = g.reshapeLike(overOwn, ownByHead);
  const fromOwn = g.matMul(g.transpose(overOwnByHead, [0, 3, 1, 2, 4]), allValues); // [B, N, G, R, K]
  const mixed = g.reshape(g.add(fromPrompt, fromOwn), ['B', 'N', heads * K]);

  g.output('h_out', block.finish(h, mixed).output);
  g.output('own_keys_out', allKeys);
  g.output('own_values_out', allValues);
  return g;
}

/**
 * A transformer block: h + attention(norm h), then + feed-forward(norm of that). Where a family norms what each of the two
 * gives as well, it is added normed.
 */
export class Block {
  readonly #weights: ReadonlyMap<string, Value>;
  /** What gradients are taken of, by name. */
  readonly trained: readonly (readonly [name: string, value: Value])[];

  constructor(
    private readonly g: Graph,
    readonly shape: BlockShape,
    /** With few rows a product with the adapter's matrices is cheaper than adding them to the weight. */
    private readonly rows: 'many' | 'few' = 'many',
    /** What stands before the names of its inputs. */
    prefix = '',
  ) {
    const { config, lora } = shape;
    const base = storedBlockParameters(config, shape, prefix).map(
      ([name, dtype, dims]) => [name, g.input(`${prefix}${name}`, dtype, dims)] as const,
    );
    const adapter = (lora ? blockLoraParameters(config, lora) : []).map(
      ([name, dims]) => [name, g.input(`${prefix}${name}`, 'float32', dims)] as const,
    );
    this.#weights = new Map([...base, ...adapter]);
    this.trained = lora ? adapter : base;
  }

  /** What is trained in what makes queries, keys and values, or in what makes the output of the mixed values. */
  trainedIn(part: 'project' | 'finish'): readonly (readonly [name: string, value: Value])[] {
    return this.trained.filter(([name]) => isProjection(name) === (part === 'project'));
  }

  /** h [B, T, d] -> queries, rotated, of the tokens of which the output is made (null: of all), and all keys and values. */
  project(
    h: Value,
    { cos, sin }: Readonly<Record<'cos' | 'sin', Value>>,
    range: Readonly<Record<'from' | 'to', Value>> | null,
  ): ProjectedBlock {
    const { g } = this;
    const byHead = (x: Value): Value => g.transpose(g.squeeze(x, 3), [0, 2, 1, 3]); // [B, T, G, 1, K] -> [B, G, T, K]
    const x = this.normed(h);
    const keys = byHead(this.keys(x, cos, sin, 'T'));
    const values = byHead(this.values(x, 'T'));
    if (!range) return { queries: this.queries(x, cos, sin, 'T'), keys, values };
    const some = (all: Value): Value => g.slice(all, 1, range.from, range.to, 'S');
    return { h_some: some(h), queries: this.queries(some(x), some(cos), some(sin), 'S'), keys, values };
  }

  /** What queries, keys and values are made of. */
  normed(h: Value): Value {
    return this.#norm(h, 'input_layernorm.weight');
  }

  /** Rotated, [B, T, G, R, K]. */
  queries(x: Value, cos: Value, sin: Value, tokens: Dim): Value {
    const { heads, kvHeads } = this.shape.config;
    return rotate(this.g, this.#headNormed(this.#perHead(x, 'q_proj', tokens, heads / kvHeads), 'q_norm'), cos, sin);
  }

  /** Rotated, [B, T, G, 1, K]. */
  keys(x: Value, cos: Value, sin: Value, tokens: Dim): Value {
    return rotate(this.g, this.#headNormed(this.#perHead(x, 'k_proj', tokens, 1), 'k_norm'), cos, sin);
  }

  /** [B, T, G, 1, K] */
  values(x: Value, tokens: Dim): Value {
    return this.#perHead(x, 'v_proj', tokens, 1);
  }

  #perHead(x: Value, name: string, tokens: Dim, perHead: number): Value {
    const { kvHeads: G, headSize: K } = this.shape.config;
    return this.g.reshape(this.#linear(x, `self_attn.${name}`), ['B', tokens, G, perHead, K]);
  }

  #headNormed(y: Value, name: string): Value {
    return this.shape.config.headNorms ? this.#norm(y, `self_attn.${name}.weight`) : y;
  }

  /** From the mixed values of all heads to the block's output: down(act(gate x) * up x) of the normed sum, added. */
  finish(h: Value, mixed: Value): Readonly<Record<'attended' | 'gate' | 'up' | 'output', Value>> {
    const { g } = this;
    const { activation, norms } = this.shape.config;
    // With norms after, "post_attention" names the one after attention, and the one before feed-forward has its own name.
    const after = (x: Value, name: string): Value => (norms.after ? this.#norm(x, name) : x);
    const before = norms.after ? 'pre_feedforward_layernorm.weight' : 'post_attention_layernorm.weight';
    const attention = this.#linear(mixed, 'self_attn.o_proj');
    const attended = g.add(h, after(attention, 'post_attention_layernorm.weight'));
    const x = this.#norm(attended, before);
    const gate = this.#linear(x, 'mlp.gate_proj');
    const up = this.#linear(x, 'mlp.up_proj');
    const fed = this.#linear(g.mul(ACTIVATIONS[activation](g, gate), up), 'mlp.down_proj');
    return { attended, gate, up, output: g.add(attended, after(fed, 'post_feedforward_layernorm.weight')) };
  }

  /** x W' + b + s (x A') B', with W [out, in] as Hugging Face stores it; bias and adapter where the layer has them. */
  #linear(x: Value, name: string): Value {
    const product = this.#product(x, name);
    const bias = this.#weights.get(`${name}.bias`);
    return bias ? this.g.add(product, bias) : product;
  }

  #product(x: Value, name: string): Value {
    const { g } = this;
    const { lora } = this.shape;
    const weight = `${name}.weight`;
    const a = this.#weights.get(`${name}.lora_A.weight`);
    if (!a || !lora) return this.#frozenProduct(x, weight);
    const b = this.#weight(`${name}.lora_B.weight`);
    // A change added to a half-precision weight would be rounded away.
    if (this.rows === 'many' && !this.shape.products)
      return g.loraMatMul(x, this.#weight(weight), a, b, loraScale(lora));
    const change = g.matMul(g.matMul(x, a, { transB: true }), b, { transB: true, alpha: loraScale(lora) });
    return g.add(this.#frozenProduct(x, weight), change);
  }

  /** x W'. With few rows it is cheaper to scale what comes out than every row of W. */
  #frozenProduct(x: Value, name: string): Value {
    const { g } = this;
    if (this.shape.products) return g.halfMatMul(x, this.#weights.get(name) as Value, { transB: true });
    const scale = this.#weights.get(scaleOf(name));
    if (!scale || this.rows === 'many') return g.matMul(x, this.#weight(name), { transB: true });
    const whole = g.cast(this.#weights.get(name) as Value, 'float32');
    return g.mul(g.matMul(x, whole, { transB: true }), g.reshape(scale, [scale.shape[0] as Dim]));
  }

  #norm(x: Value, name: string): Value {
    return rmsNorm(this.g, this.shape.config, x, this.#weight(name));
  }

  #weight(name: string): Value {
    const weight = this.g.cast(this.#weights.get(name) as Value, 'float32');
    const scale = this.#weights.get(scaleOf(name));
    return scale ? this.g.mul(weight, scale) : weight;
  }
}

/** Rotary position embedding, halves convention: (a, b) -> (a cos - b sin, b cos + a sin). */
function rotate(g: Graph, x: Value, cos: Value, sin: Value): Value {
  const half = (x.shape[4] as number) / 2;
  const [a, b] = g.split(x, 4, [half, half]) as [Value, Value];
  return g.concat([g.sub(g.mul(a, cos), g.mul(b, sin)), g.add(g.mul(b, cos), g.mul(a, sin))], 4);
}

export const ACTIVATIONS: Readonly<Record<Activation, (g: Graph, x: Value) => Value>> = {
  // x sigmoid(x)
  silu: (g, x) => g.silu(x),
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
