import type { Gradients } from './language-model.ts';
import type { HostTensor, HostTensors } from './safetensors.ts';

export interface AdamWOptions {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
}

/**
 * AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), as PyTorch computes it:
 *
 *     w <- w (1 - lr wd)
 *     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
 *     w <- w - lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)
 *
 * Weight decay spares vectors (norms and biases).
 */
export class AdamW {
  #step: number;
  readonly #first: Map<string, Float32Array>;
  readonly #second: Map<string, Float32Array>;

  constructor(
    readonly options: AdamWOptions,
    weights: HostTensors,
    state?: { readonly step: number; readonly tensors: HostTensors },
  ) {
    this.#step = state?.step ?? 0;
    const moments = (kind: string) =>
      new Map(
        [...weights].map(([name, { data }]) => [
          name,
          state?.tensors.get(`${kind}.${name}`)?.data ?? new Float32Array(data.length),
        ]),
      );
    this.#first = moments('m');
    this.#second = moments('v');
  }

  get step(): number {
    return this.#step;
  }

  update(weights: HostTensors, gradients: Gradients, learningRate: number): void {
    this.#step += 1;
    const {
      betas: [b1, b2],
      epsilon,
      weightDecay,
    } = this.options;
    const correction1 = 1 - b1 ** this.#step;
    const rootCorrection2 = Math.sqrt(1 - b2 ** this.#step);
    const rate = learningRate / correction1;
    for (const [name, { dims, data }] of weights) {
      const g = gradients.get(name) as Float32Array;
      const m = this.#first.get(name) as Float32Array;
      const v = this.#second.get(name) as Float32Array;
      const keep = dims.length > 1 ? 1 - learningRate * weightDecay : 1;
      for (let i = 0; i < data.length; i++) {
        const gradient = g[i] as number;
        const first = b1 * (m[i] as number) + (1 - b1) * gradient;
        const second = b2 * (v[i] as number) + (1 - b2) * gradient * gradient;
        m[i] = first;
        v[i] = second;
        data[i] = (data[i] as number) * keep - (rate * first) / (Math.sqrt(second) / rootCorrection2 + epsilon);
      }
    }
  }

  /** First and second moments as `m.NAME` and `v.NAME`. */
  tensors(weights: HostTensors): Map<string, HostTensor> {
    const entries = [...weights].flatMap(([name, { dims }]) => [
      [`m.${name}`, { dims, data: this.#first.get(name) as Float32Array }] as const,
      [`v.${name}`, { dims, data: this.#second.get(name) as Float32Array }] as const,
    ]);
    return new Map(entries);
  }
}

/** Scales the gradients so that their joint Euclidean norm is at most `maxNorm` (as PyTorch: eps 1e-6). @returns the norm before. */
export function clipGradients(gradients: Gradients, maxNorm: number): number {
  let sum = 0;
  for (const values of gradients.values()) for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  const norm = Math.sqrt(sum);
  const factor = maxNorm / (norm + 1e-6);
  if (factor < 1)
    for (const values of gradients.values())
      for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) * factor;
  return norm;
}
