import type { ConfigReader } from '../config-reader.ts';
import type { LayerKind, ModelConfig } from '../model-config.ts';
import { formatRopeScaling, type Rope, type RopeSource } from '../rotary.ts';

/** What distinguishes a family of models; all else is shared. Read from `config.json`, or fixed. */
export interface Family {
  /** `model_type`. */
  readonly modelType: string;
  /** `architectures[0]`. */
  readonly architecture: string;
  /** Settings that not all families read, beside the keys of `supported` (see model-settings.ts). */
  readonly reads: readonly string[];
  /** Settings that mean something in other families and nothing in this one, as transformers builds it; and why. */
  readonly ignores: Readonly<Record<string, string>>;
  /** What config.json means where it leaves a setting out, as transformers has it; other settings have to be there. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Settings of which only these values are supported; any other is refused by name. */
  readonly supported: Readonly<Record<string, readonly unknown[]>>;
  /** Biases of the query, key and value projections, of the output projection, and of the feed-forward layers. */
  readonly biases: (config: ConfigReader) => { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  readonly activation: Activation;
  readonly norms: Norms;
  /** RMS norms on each head's queries and keys, before the rotation. */
  readonly headNorms: boolean;
  /** Factor on the embeddings as they enter the first block; the output layer takes the table as it is. */
  readonly embeddingScale: (hiddenSize: number) => number;
  /** Factor on the attention's scores. */
  readonly queryScale: (config: ConfigReader, headSize: number) => number;
  /** The kind of each layer; layers of one kind are one object. */
  readonly layers: (config: ConfigReader, count: number, rope: (source: RopeSource) => Rope) => readonly LayerKind[];
  /** Settings of config.json that not all families have: the inverse of what is read here. */
  readonly settings: (config: ModelConfig) => Readonly<Record<string, unknown>>;
}

/** a(x) in down(a(gate x) * up x). */
export type Activation = 'silu' | 'gelu-tanh';

export interface Norms {
  /** The factor is 1 + w: a norm of zeros changes nothing but the scale. */
  readonly unitOffset: boolean;
  /** What attention and the feed-forward layers give is normed too, before it is added. */
  readonly after: boolean;
}

/** What most families share: Llama's block. */
export const LLAMA_BLOCK = {
  supported: { hidden_act: ['silu', 'swish', undefined] },
  activation: 'silu',
  norms: { unitOffset: false, after: false },
  headNorms: false,
  embeddingScale: () => 1,
  queryScale: (_, headSize) => 1 / Math.sqrt(headSize),
} as const satisfies Partial<Family>;

/** The activation and the one rope of a family with Llama's block, in the names that every version of other tools reads. */
export function llamaBlockSettings({ layerKinds: [kind] }: ModelConfig): Readonly<Record<string, unknown>> {
  const { ropeTheta, ropeScaling } = kind as LayerKind;
  return { hidden_act: 'silu', rope_theta: ropeTheta, rope_scaling: formatRopeScaling(ropeScaling) };
}

export function oneKind(count: number, kind: LayerKind): readonly LayerKind[] {
  return new Array<LayerKind>(count).fill(kind);
}
