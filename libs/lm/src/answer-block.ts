import type { Dim, Graph, RotaryTables, Value } from '@solopo/onnx-graph';
import { ACTIVATIONS, type BlockShape } from './block.graph.ts';
import { scaleOf } from './frozen-weights.ts';
import { blockLoraParameters, loraScale } from './lora.ts';
import { storedBlockParameters } from './parameters.ts';
import { turnsRows } from './sampling-weights.ts';
import { hadamard, turnedTogether } from './turned-weights.ts';

/** A hidden state [M, d] as a block gives it: the sum of what went past the feed-forward half, and of what came out of it. */
export interface Hidden {
  readonly past: Value;
  /** Null: nothing is to be added. */
  readonly fed: Value | null;
}

/**
 * A transformer block for answers: as `Block`, over rows [M, d] of any tokens, in as few operators as can be. No gradient flows
 * through it.
 */
export class AnswerBlock {
  readonly #weights: ReadonlyMap<string, Value>;

  /** @param prefix stands before the names of its inputs */
  constructor(
    private readonly g: Graph,
    private readonly shape: BlockShape,
    prefix: string,
  ) {
    const { config, lora } = shape;
    const stored = storedBlockParameters(config, shape, prefix);
    const adapter = (lora ? blockLoraParameters(config, lora) : []).map(
      ([name, dims]) => [name, 'float32', dims] as const,
    );
    this.#weights = new Map(
      [...stored, ...adapter].map(([name, dtype, dims]) => [name, g.input(`${prefix}${name}`, dtype, dims)]),
    );
  }

  /** Queries [M, H K], keys and values [M, G K]: neither rotated nor split into heads; and the hidden state as it goes past. */
  project(hidden: Hidden): Readonly<Record<'past' | 'queries' | 'keys' | 'values', Value>> {
    const { sum, normed } = this.#added(hidden, 'input_layernorm.weight');
    const names = ['q_proj', 'k_proj', 'v_proj'].map((name) => `self_attn.${name}`);
    const [queries, keys, values] = this.#linears(normed, names) as [Value, Value, Value];
    return { past: sum, queries, keys, values };
  }

  /** Of the rows' heads [M, heads K]: normed, where the family does, and rotated. */
  rotated(x: Value, name: 'q_norm' | 'k_norm', heads: number, tables: RotaryTables): Value {
    const { g } = this;
    const { headNorms, headSize: K } = this.shape.config;
    const [rows] = x.shape as readonly [Dim];
    const normed = headNorms ? this.#norm(g.reshape(x, [rows, heads, K]), `self_attn.${name}.weight`) : x;
    const turned = g.rotaryEmbedding(
      g.reshapeTo(normed, [rows, 1, heads * K], g.int64s([-1, 1, heads * K])),
      tables,
      heads,
    );
    return g.reshapeTo(turned, [rows, heads * K], g.int64s([-1, heads * K]));
  }

  /** From the mixed values of all heads [M, H K] to the block's output. */
  finish(past: Value, mixed: Value): Hidden {
    const { g } = this;
    const { activation, norms } = this.shape.config;
    const attention = this.#linear(mixed, 'self_attn.o_proj');
    // With norms after, "post_attention" names the one after attention, and the one before feed-forward has its own name.
    const after = (x: Value, name: string): Value => (norms.after ? this.#norm(x, name) : x);
    const before = norms.after ? 'pre_feedforward_layernorm.weight' : 'post_attention_layernorm.weight';
    const { sum, normed } = this.#added({ past, fed: after(attention, 'post_attention_layernorm.weight') }, before);
    const [gate, up] = this.#linears(normed, ['mlp.gate_proj', 'mlp.up_proj']) as [Value, Value];
    const fed = this.#linear(this.#turned(g.mul(ACTIVATIONS[activation](g, gate), up)), 'mlp.down_proj');
    return { past: sum, fed: after(fed, 'post_feedforward_layernorm.weight') };
  }

  /** Rows [M, f] for weights that are turned (`TurnedWeights`). */
  #turned(x: Value): Value {
    const { g } = this;
    const [rows, f] = x.shape as readonly [Dim, number];
    const n = turnedTogether(f);
    if (!this.shape.rounded || !turnsRows(this.shape.rounded.format) || n === 1) return x;
    const runs = g.reshapeTo(x, [`${rows} f/n`, n], g.int64s([-1, n]));
    const turned = g.matMul(runs, g.constant({ dtype: 'float32', dims: [n, n], data: hadamard(n) }));
    return g.reshapeTo(turned, [rows, f], g.int64s([-1, f]));
  }

  #added({ past, fed }: Hidden, norm: string): { readonly sum: Value; readonly normed: Value } {
    if (!fed) return { sum: past, normed: this.#norm(past, norm) };
    return this.g.addedRmsNorm(fed, past, this.#normWeight(norm), this.shape.config.rmsNormEps);
  }

  #norm(x: Value, name: string): Value {
    return this.g.rmsNorm(x, this.#normWeight(name), this.shape.config.rmsNormEps);
  }

  #normWeight(name: string): Value {
    const w = this.#weights.get(name) as Value;
    return this.shape.config.norms.unitOffset ? this.g.add(w, this.g.scalar(1)) : w;
  }

  /** Layers of the same input; rounded weights are multiplied as one, which a session joins once and for all. */
  #linears(x: Value, names: readonly string[]): Value[] {
    const { g } = this;
    const matrices = names.map((name) => this.#weights.get(`${name}.weight`) as Value);
    const scales = names.flatMap((name) => this.#weights.get(scaleOf(`${name}.weight`)) ?? []);
    if (!this.shape.rounded || scales.length < names.length) return names.map((name) => this.#linear(x, name));
    const product = roundedMatMul(g, x, g.concat(matrices, 0), g.concat(scales, 0));
    const parts = g.split(
      product,
      1,
      matrices.map(({ shape }) => shape[0] as number),
    );
    return names.map((name, i) => this.#linear(x, name, parts[i]));
  }

  /** x W' + b + s (x A') B'; bias and adapter where the layer has them. */
  #linear(x: Value, name: string, product = this.#product(x, `${name}.weight`)): Value {
    const { g } = this;
    const [bias, a, b] = ['bias', 'lora_A.weight', 'lora_B.weight'].map((part) => this.#weights.get(`${name}.${part}`));
    const biased = bias ? g.add(product, bias) : product;
    const { lora } = this.shape;
    if (!lora || !a || !b) return biased;
    return g.add(biased, g.matMul(g.matMul(x, a, { transB: true }), b, { transB: true, alpha: loraScale(lora) }));
  }

  #product(x: Value, name: string): Value {
    const { g } = this;
    const weight = this.#weights.get(name) as Value;
    const scale = this.#weights.get(scaleOf(name));
    if (scale && this.shape.rounded) return roundedMatMul(g, x, weight, scale);
    const product = g.matMul(x, g.cast(weight, 'float32'), { transB: true });
    return scale ? g.mul(product, g.reshape(scale, [scale.shape[0] as Dim])) : product;
  }
}

/** x W' of a matrix as it is kept for answers. */
export function roundedMatMul(g: Graph, x: Value, weight: Value, scale: Value): Value {
  return weight.dtype === 'uint8' ? g.blockMatMul(x, weight, scale) : g.integerMatMul(x, weight, scale);
}
