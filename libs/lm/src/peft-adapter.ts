import { mergeLayers } from './lora.ts';
import type { ModelConfig } from './model-config.ts';
import { ModelError } from './model.error.ts';
import { modelParameters } from './parameters.ts';
import type { HostTensor, HostTensors } from './safetensors.ts';

/** An adapter that was trained elsewhere, as its adapter_config.json says it: layers of their own ranks and scales. */
export interface PeftAdapter {
  /** Of the linear layers it works on, by their names in the model. */
  readonly layers: ReadonlyMap<string, { readonly rank: number; readonly scale: number }>;
  /**
   * What the base is less of under the adapter. `olora`: s Q Q' W, with Q an orthonormal basis of the first `rank` columns of W
   * (OLoRA, Büyükakyüz 2024, arXiv 2406.01775), as PEFT makes it when it loads the adapter.
   */
  readonly residual: 'olora' | null;
  /**
   * Weight-decomposed (DoRA, Liu et al. 2024, arXiv 2402.09353): the rows of W + s B A give directions alone, their lengths are a
   * vector of their own.
   */
  readonly dora: boolean;
}

/** Names and shapes of its matrices, in the model's order. */
export function adapterParameters(
  config: ModelConfig,
  { layers, dora }: PeftAdapter,
): readonly (readonly [name: string, dims: readonly number[]])[] {
  return modelParameters(config).flatMap(([name, [outputs, inputs]]) => {
    const layer = name.replace(/\.weight$/, '');
    const rank = layers.get(layer)?.rank;
    if (rank === undefined) return [];
    return [
      [`${layer}.lora_A.weight`, [rank, inputs as number]] as const,
      [`${layer}.lora_B.weight`, [outputs as number, rank]] as const,
      ...(dora ? [[lengthsOf(layer), [outputs as number]] as const] : []),
    ];
  });
}

const lengthsOf = (layer: string): string => `${layer}.lora_magnitude_vector`;

/** W + s B A for every layer of the adapter, W being what the adapter leaves of the base. */
export function mergeAdapter(
  weights: HostTensors,
  { layers, residual, dora }: PeftAdapter,
  matrices: HostTensors,
): Map<string, HostTensor> {
  const left = [...(residual === null ? [] : layers)].map(([layer, { rank, scale }]) => {
    const name = `${layer}.weight`;
    return [name, withoutFirstColumns(name, weights.get(name) as HostTensor, rank, scale)] as const;
  });
  const merged = mergeLayers(new Map([...weights, ...left]), matrices, (layer) => layers.get(layer)?.scale ?? 0);
  for (const layer of dora ? layers.keys() : []) {
    const name = `${layer}.weight`;
    merged.set(name, withLengths(merged.get(name) as HostTensor, matrices.get(lengthsOf(layer)) as HostTensor));
  }
  return merged;
}

/** The rows, each of the length that it is given. */
function withLengths({ dims, data }: HostTensor, lengths: HostTensor): HostTensor {
  const inputs = dims[1] as number;
  const factors = Float64Array.from(lengths.data, (length, i) => {
    const row = data.subarray(i * inputs, (i + 1) * inputs);
    return length / Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
  });
  return { dims, data: data.map((x, i) => x * (factors[Math.floor(i / inputs)] as number)) };
}

/** W - s Q Q' W, in double precision. */
function withoutFirstColumns(name: string, { dims, data }: HostTensor, rank: number, scale: number): HostTensor {
  const [outputs, inputs] = dims as readonly [number, number];
  if (rank > Math.min(outputs, inputs))
    throw new ModelError(
      `"${name}" of shape [${outputs}, ${inputs}] has no basis of ${rank} columns, which OLoRA takes out of it; lower r in adapter_config.json to the rank of the adapter's matrices`,
    );
  const basis = orthonormal(name, columns(data, outputs, inputs, rank));
  const rest = Float32Array.from(data);
  const inBasis = basis.map((vector) => {
    const sums = new Float64Array(inputs);
    for (let i = 0; i < outputs; i++)
      for (let j = 0; j < inputs; j++)
        sums[j] = (sums[j] as number) + (vector[i] as number) * (data[i * inputs + j] as number);
    return sums;
  });
  for (let i = 0; i < outputs; i++)
    for (let j = 0; j < inputs; j++) {
      let projected = 0;
      for (let r = 0; r < rank; r++)
        projected += ((basis[r] as Float64Array)[i] as number) * ((inBasis[r] as Float64Array)[j] as number);
      rest[i * inputs + j] = (data[i * inputs + j] as number) - scale * projected;
    }
  return { dims, data: rest };
}

function columns(data: Float32Array, outputs: number, inputs: number, count: number): Float64Array[] {
  return Array.from({ length: count }, (_, j) =>
    Float64Array.from({ length: outputs }, (_row, i) => data[i * inputs + j] as number),
  );
}

/** Gram-Schmidt, twice for each vector. */
function orthonormal(name: string, vectors: readonly Float64Array[]): readonly Float64Array[] {
  const basis: Float64Array[] = [];
  for (const vector of vectors) {
    const before = norm(vector);
    for (const _pass of [1, 2])
      for (const other of basis) {
        const share = vector.reduce((sum, x, i) => sum + x * (other[i] as number), 0);
        vector.forEach((x, i) => (vector[i] = x - share * (other[i] as number)));
      }
    const length = norm(vector);
    // What is left of such a column is rounding, and would be another direction in PEFT.
    if (!(length > 1e-5 * before))
      throw new ModelError(
        `the first columns of "${name}" depend on each other, and what OLoRA takes out of it is not determined; merge the adapter with PEFT and register that`,
      );
    basis.push(vector.map((x) => x / length));
  }
  return basis;
}

const norm = (vector: Float64Array): number => Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
