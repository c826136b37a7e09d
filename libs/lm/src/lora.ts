import { Random } from '@solopo/random';
import type { ModelConfig } from './model-config.ts';
import { ModelError } from './model.error.ts';
import { EMBEDDING, OUTPUT } from './parameter-names.ts';
import { blockParameters, layerParameter } from './parameters.ts';
import type { HostTensor, HostTensors } from './safetensors.ts';

export const LORA_TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;

/**
 * Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685): y = x W' + s (x A') B' with A [rank, in], B [out, rank] and
 * s = alpha / rank, or alpha / sqrt(rank) (rank-stabilised, Kalajdzievski 2023, arXiv 2312.03732).
 */
export interface LoraOptions {
  readonly rank: number;
  readonly alpha: number;
  /** Linear layers, by the last part of their name: of LORA_TARGETS. */
  readonly targets: readonly string[];
  readonly rsLora: boolean;
}

export const loraScale = ({ rank, alpha, rsLora }: Pick<LoraOptions, 'rank' | 'alpha' | 'rsLora'>): number =>
  alpha / (rsLora ? Math.sqrt(rank) : rank);

/** Names, after `model.layers.N.`, and shapes of a block's adapter matrices: A and B of each target. */
export function blockLoraParameters(
  config: ModelConfig,
  { rank, targets }: LoraOptions,
): readonly (readonly [name: string, dims: readonly number[]])[] {
  return blockParameters(config).flatMap(([name, dims]) => {
    const layer = /^(.*\.(\w+))\.weight$/.exec(name);
    const [outputs, inputs] = dims;
    if (!layer || inputs === undefined || !targets.includes(layer[2] as string)) return [];
    return [
      [`${layer[1]}.lora_A.weight`, [rank, inputs]] as const,
      [`${layer[1]}.lora_B.weight`, [outputs as number, rank]] as const,
    ];
  });
}

/** Every adapter matrix, in a fixed order, by the name of its layer in the model. */
export function loraParameters(
  config: ModelConfig,
  options: LoraOptions,
): readonly (readonly [name: string, dims: readonly number[]])[] {
  return Array.from({ length: config.layers }, (_, layer) =>
    blockLoraParameters(config, options).map(([name, dims]) => [layerParameter(layer, name), dims] as const),
  ).flat();
}

/** A uniform in +-1 / sqrt(inputs) (PyTorch's default for linear layers), B zero: the adapter starts as no change. */
export function initialiseLora(config: ModelConfig, options: LoraOptions, seed: number): Map<string, HostTensor> {
  return new Map(
    loraParameters(config, options).map(([name, dims]) => {
      const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
      if (name.endsWith('lora_A.weight')) {
        const random = new Random('lora', seed, name);
        const bound = 1 / Math.sqrt(dims[1] as number);
        for (let i = 0; i < data.length; i++) data[i] = bound * (2 * random.float() - 1);
      }
      return [name, { dims, data }];
    }),
  );
}

/** PEFT's names: the model's, inside two wrappers. */
export const PEFT_PREFIX = 'base_model.model.';

export function toPeftNames(adapter: HostTensors): Map<string, HostTensor> {
  return new Map([...adapter].map(([name, tensor]) => [PEFT_PREFIX + name, tensor]));
}

const TABLES: ReadonlySet<string> = new Set([EMBEDDING, OUTPUT].map((name) => PEFT_PREFIX + name));

/** A state dict of a model that PEFT holds has the adapter's name in its keys; PEFT reads such files, where the name is its own default. */
const WITH_ADAPTER_NAME: readonly (readonly [RegExp, string])[] = [
  [/\.(lora_[AB])\.default\.weight$/, '.$1.weight'],
  [/\.lora_magnitude_vector\.default\.weight$/, '.lora_magnitude_vector'],
];

function withoutAdapterName<T>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  const plain = new Map<string, T>();
  for (const [name, tensor] of tensors) {
    const known = WITH_ADAPTER_NAME.reduce((each, [pattern, short]) => each.replace(pattern, short), name);
    if (plain.has(known))
      throw new ModelError(
        `adapter tensor "${known}" is in adapter_model.safetensors twice, also with the adapter's name in its own; save the adapter again with PEFT`,
      );
    plain.set(known, tensor);
  }
  return plain;
}

/**
 * An adapter's tensors as PEFT stores or holds them, by the names used here: nothing missing, nothing unknown, every shape right.
 * @throws ModelError that names the tensor which does not fit the base model
 */
export function fromPeftNames<T extends Pick<HostTensor, 'dims'>>(
  /** By the names used here. */
  wanted: readonly (readonly [name: string, dims: readonly number[]])[],
  stored: ReadonlyMap<string, T>,
): Map<string, T> {
  const tensors = withoutAdapterName(stored);
  const known = new Set(wanted.map(([name]) => PEFT_PREFIX + name));
  const unknown = [...tensors.keys()].find((name) => !known.has(name));
  if (unknown && TABLES.has(unknown))
    throw new ModelError(
      `adapter tensor "${unknown}" is a whole table saved beside the adapter, as PEFT does when tokens were added; merge the adapter into its base model with PEFT (merge_and_unload) and register that`,
    );
  if (unknown)
    throw new ModelError(
      `adapter tensor "${unknown}" does not fit the base model or adapter_config.json; use the adapter with the base model it was trained on`,
    );
  return new Map(
    wanted.map(([name, dims]) => {
      const tensor = tensors.get(PEFT_PREFIX + name);
      if (!tensor)
        throw new ModelError(
          `adapter tensor "${PEFT_PREFIX}${name}" is missing from adapter_model.safetensors; correct adapter_config.json, or save the adapter again with PEFT`,
        );
      if (tensor.dims.join() !== dims.join())
        throw new ModelError(
          `adapter tensor "${PEFT_PREFIX}${name}" has shape [${tensor.dims.join(', ')}], the base model and adapter_config.json ask for [${dims.join(', ')}]; use the adapter with the base model it was trained on`,
        );
      return [name, tensor];
    }),
  );
}

/** W + s B A for every target: new tensors where the adapter changes something, the base's own elsewhere. */
export function mergeLora(weights: HostTensors, options: LoraOptions, adapter: HostTensors): Map<string, HostTensor> {
  const scale = loraScale(options);
  return mergeLayers(weights, adapter, () => scale);
}

/** As mergeLora, with a scale for each layer. */
export function mergeLayers(
  weights: HostTensors,
  adapter: HostTensors,
  scaleOf: (layer: string) => number,
): Map<string, HostTensor> {
  return new Map(
    [...weights].map(([name, base]) => {
      const layer = name.replace(/\.weight$/, '');
      const a = adapter.get(`${layer}.lora_A.weight`);
      const b = adapter.get(`${layer}.lora_B.weight`);
      return [name, a && b ? { dims: base.dims, data: addProduct(base, scaleOf(layer), b, a) } : base];
    }),
  );
}

/** W + s B A, of W [outputs, inputs], B [outputs, rank], A [rank, inputs]. */
export function addProduct(
  { dims: [outputs, inputs], data }: HostTensor,
  scale: number,
  b: HostTensor,
  a: HostTensor,
): Float32Array {
  const [n, m, rank] = [outputs as number, inputs as number, a.dims[0] as number];
  const sum = Float32Array.from(data);
  for (let i = 0; i < n; i++) {
    for (let r = 0; r < rank; r++) {
      const factor = scale * (b.data[i * rank + r] as number);
      if (factor === 0) continue;
      for (let j = 0; j < m; j++) sum[i * m + j] = (sum[i * m + j] as number) + factor * (a.data[r * m + j] as number);
    }
  }
  return sum;
}
