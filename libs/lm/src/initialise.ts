import { layerKind, type ModelConfig } from './model-config.ts';
import { EMBEDDING, layerParameter, modelParameters, OUTPUT } from './parameters.ts';
import { uniform } from '@solopo/random';
import type { HostTensor } from './safetensors.ts';

export interface InitialiseOptions {
  readonly seed: number;
  /** Standard deviation of the embedding table. */
  readonly embeddingStd: number;
  /** Factor on the weights that write to the residual stream (o_proj, down_proj); the others get 1 / sqrt(inputs). */
  readonly residualScale: number;
  /**
   * Starts a small model as one that can look things up: in layer 0 query head j attends j + 1 tokens
   * back, in later layers queries match equal keys and values are written back as they are read.
   */
  readonly retrieval?: boolean;
}

/** Random weights from a seed: the same everywhere, parameter by parameter. */
export function initialise(config: ModelConfig, options: InitialiseOptions): Map<string, HostTensor> {
  const weights = new Map(
    modelParameters(config).map(([name, dims], index) => {
      const size = dims.reduce((product, dim) => product * dim, 1);
      const data = new Float32Array(size);
      if (name.endsWith('norm.weight')) data.fill(config.norms.unitOffset ? 0 : 1);
      else if (dims.length === 2)
        fillNormal(data, standardDeviation(name, dims[1] as number, options), options.seed, index);
      return [name, { dims, data }];
    }),
  );
  if (options.retrieval) {
    positionalHeads(config, weights);
    for (let layer = 1; layer < config.layers; layer++) mimeticHeads(config, weights, layer);
  }
  return weights;
}

function standardDeviation(name: string, inputs: number, { embeddingStd, residualScale }: InitialiseOptions): number {
  if (name === EMBEDDING || name === OUTPUT) return embeddingStd;
  const writes = name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight');
  return (writes ? residualScale : 1) / Math.sqrt(inputs);
}

/** Box-Muller over counter-based uniforms. */
function fillNormal(data: Float32Array, std: number, seed: number, stream: number): void {
  for (let i = 0; i < data.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform([i, 0, 0, 0], [seed, stream])));
    const angle = 2 * Math.PI * uniform([i, 1, 0, 0], [seed, stream]);
    data[i] = std * radius * Math.cos(angle);
    if (i + 1 < data.length) data[i + 1] = std * radius * Math.sin(angle);
  }
}

/**
 * Layer 0: the key bias is a constant vector on the fast rotary pairs, and head j's query bias the same vector rotated by
 * -(j + 1), so that their product is greatest j + 1 tokens back whatever the tokens are; the tokens' own part is damped.
 */
function positionalHeads(config: ModelConfig, weights: ReadonlyMap<string, HostTensor>): void {
  const { heads, kvHeads, headSize } = config;
  const { ropeTheta } = layerKind(config, 0);
  const half = headSize / 2;
  const of = (name: string): Float32Array => (weights.get(layerParameter(0, `self_attn.${name}`)) as HostTensor).data;
  for (const name of ['q_proj.weight', 'k_proj.weight']) of(name).forEach((value, i, data) => (data[i] = value * 0.2));
  const frequency = (pair: number): number => ropeTheta ** ((-2 * pair) / headSize);
  for (let pair = 0; pair < half; pair++) {
    if (frequency(pair) <= 0.05) continue;
    for (let head = 0; head < kvHeads; head++) of('k_proj.bias')[head * headSize + pair] = 5;
    for (let head = 0; head < heads; head++) {
      const angle = -(head + 1) * frequency(pair);
      of('q_proj.bias')[head * headSize + pair] = 5 * Math.cos(angle);
      of('q_proj.bias')[head * headSize + pair + half] = 5 * Math.sin(angle);
    }
  }
}

/**
 * Later layers, after mimetic initialisation (Trockman & Kolter 2023, arXiv 2305.09828): W_k = sqrt(R) * the mean of its
 * group's W_q, so that a token attends to tokens like itself, and W_o = 0.3 W_v', so that what is read is written.
 */
function mimeticHeads(
  { heads, kvHeads, headSize, hiddenSize }: ModelConfig,
  weights: ReadonlyMap<string, HostTensor>,
  layer: number,
): void {
  const of = (name: string): Float32Array =>
    (weights.get(layerParameter(layer, `self_attn.${name}.weight`)) as HostTensor).data;
  const group = heads / kvHeads;
  const [q, k, v, o] = [of('q_proj'), of('k_proj'), of('v_proj'), of('o_proj')];
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    for (let i = 0; i < headSize; i++) {
      for (let j = 0; j < hiddenSize; j++) {
        let sum = 0;
        for (let r = 0; r < group; r++) sum += q[((kvHead * group + r) * headSize + i) * hiddenSize + j] as number;
        k[(kvHead * headSize + i) * hiddenSize + j] = (Math.sqrt(group) * sum) / group;
        for (let r = 0; r < group; r++) {
          const column = (kvHead * group + r) * headSize + i;
          o[j * heads * headSize + column] = 0.3 * (v[(kvHead * headSize + i) * hiddenSize + j] as number);
        }
      }
    }
  }
}
