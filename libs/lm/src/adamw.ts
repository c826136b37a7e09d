import { adamWStep, squareSum } from './adamw.graph.ts';
import type { Gradients } from './gradients.ts';
import { ParameterStore } from './parameter-store.ts';
import type { HostTensor, HostTensors } from './safetensors.ts';
import { float32, hostFloats, type Tensor } from './tensor.ts';

export interface AdamWOptions {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
}

export interface OptimizerState {
  readonly step: number;
  /** First and second moments as `m.NAME` and `v.NAME`. */
  readonly tensors: HostTensors;
}

/**
 * AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), as PyTorch computes it:
 *
 *     w <- w (1 - lr wd)
 *     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
 *     w <- w - lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)
 *
 * Weight decay spares vectors (norms and biases). The state lies where the parameters lie, of a table in pieces in the same ones;
 * on the processor the sums are in double precision.
 */
export class AdamW {
  #step: number;
  readonly #first: ParameterStore;
  readonly #second: ParameterStore;

  constructor(
    readonly options: AdamWOptions,
    readonly parameters: ParameterStore,
    state?: OptimizerState,
  ) {
    this.#step = state?.step ?? 0;
    const moments = (kind: string): ParameterStore =>
      new ParameterStore(
        parameters.runtime,
        new Map(
          [...parameters.shapes].map(([name, dims]): [string, HostTensor] => [
            name,
            state?.tensors.get(`${kind}.${name}`) ?? { dims, data: new Float32Array(sizeOf(dims)) },
          ]),
        ),
      );
    this.#first = moments('m');
    this.#second = moments('v');
  }

  get step(): number {
    return this.#step;
  }

  /** The gradients' joint Euclidean norm. */
  async gradientNorm(gradients: Gradients): Promise<number> {
    const { runtime } = this.parameters;
    if (!runtime.keepsOnDevice) return Math.sqrt(hostSquareSum(gradients));
    return runtime.scoped(async (scope) => {
      let sum = float32(Float32Array.of(0), [1]);
      for (const names of await this.#groups()) {
        const known = names.filter((name) => gradients.has(name));
        const tensors = known.map((name) => gradients.get(name) as Tensor);
        if (tensors.length === 0) continue;
        const shapes = tensors.map(({ dims }) => dims);
        const feeds = { past: sum, ...numbered('g', tensors) };
        const outputs = await scope.run(`square-sum ${JSON.stringify(shapes)}`, () => squareSum(shapes), feeds);
        scope.free(sum);
        sum = outputs.sum as Tensor;
      }
      return Math.sqrt((await runtime.read(sum))[0] as number);
    });
  }

  /** Steps against `factor` times the gradients; a parameter without one has gradient 0. */
  async update(gradients: Gradients, learningRate: number, factor = 1): Promise<void> {
    this.#step += 1;
    const {
      betas: [b1, b2],
      weightDecay,
    } = this.options;
    const scalars = {
      factor,
      rate: learningRate / (1 - b1 ** this.#step),
      keep: 1 - learningRate * weightDecay,
      root: Math.sqrt(1 - b2 ** this.#step),
    };
    if (this.parameters.runtime.keepsOnDevice) await this.#updateOnDevice(gradients, scalars);
    else await this.#updateOnHost(gradients, scalars);
  }

  /** First and second moments as `m.NAME` and `v.NAME`. */
  async tensors(): Promise<Map<string, HostTensor>> {
    const [first, second] = [await this.#first.read(), await this.#second.read()];
    return new Map(
      [...first].flatMap(([name, m]) => [
        [`m.${name}`, m],
        [`v.${name}`, second.get(name) as HostTensor],
      ]),
    );
  }

  async free(): Promise<void> {
    await this.#first.free();
    await this.#second.free();
  }

  async #updateOnHost(gradients: Gradients, { factor, rate, keep: decayed, root }: Scalars): Promise<void> {
    const {
      betas: [b1, b2],
      epsilon,
    } = this.options;
    const [first, second] = [await this.#first.placed(), await this.#second.placed()];
    for (const [name, parameter] of await this.parameters.placed()) {
      const data = hostFloats(parameter);
      const tensor = gradients.get(name);
      const g = tensor ? hostFloats(tensor) : new Float32Array(data.length);
      const m = hostFloats(first.get(name) as Tensor);
      const v = hostFloats(second.get(name) as Tensor);
      const keep = parameter.dims.length > 1 ? decayed : 1;
      for (let i = 0; i < data.length; i++) {
        const gradient = factor === 1 ? (g[i] as number) : Math.fround((g[i] as number) * factor);
        const m1 = b1 * (m[i] as number) + (1 - b1) * gradient;
        const v1 = b2 * (v[i] as number) + (1 - b2) * gradient * gradient;
        m[i] = m1;
        v[i] = v1;
        data[i] = (data[i] as number) * keep - (rate * m1) / (Math.sqrt(v1) / root + epsilon);
      }
    }
  }

  async #updateOnDevice(gradients: Gradients, scalars: Scalars): Promise<void> {
    const { runtime } = this.parameters;
    const feeds = Object.fromEntries(
      Object.entries(scalars).map(([name, value]) => [name, float32(Float32Array.of(value), [])]),
    );
    const stores = { w: this.parameters, m: this.#first, v: this.#second };
    for (const names of await this.#groups()) {
      await runtime.scoped(async (scope) => {
        const parameters = await this.parameters.placed();
        const shapes = names.map((name) => (parameters.get(name) as Tensor).dims);
        const tensors: Record<string, Tensor> = {};
        for (const [i, name] of names.entries()) {
          for (const [kind, store] of Object.entries(stores))
            tensors[`${kind}_${i}`] = (await store.placed()).get(name) as Tensor;
          const dims = shapes[i] as readonly number[];
          tensors[`g_${i}`] =
            gradients.get(name) ?? (await scope.upload(float32(new Float32Array(sizeOf(dims)), dims)));
        }
        const outputs = await scope.run(
          `adamw ${JSON.stringify([this.options, shapes])}`,
          () => adamWStep(this.options, shapes),
          { ...feeds, ...tensors },
        );
        for (const [i, name] of names.entries())
          for (const [kind, store] of Object.entries(stores))
            await store.replace(name, scope.release(outputs[`${kind}_${i}_out`] as Tensor));
      });
    }
  }

  /** Parameters that are updated in one run: those of a block, which look the same in every block. */
  async #groups(): Promise<string[][]> {
    const groups = new Map<string, string[]>();
    for (const name of (await this.parameters.placed()).keys()) {
      const key = /^model\.layers\.\d+\./.exec(name)?.[0] ?? name;
      groups.set(key, [...(groups.get(key) ?? []), name]);
    }
    return [...groups.values()];
  }
}

type Scalars = Readonly<Record<'factor' | 'rate' | 'keep' | 'root', number>>;

/** What gradients are multiplied by so that a norm comes down to `maxNorm` (as PyTorch: eps 1e-6); 1 where it is no more. */
export const clipFactor = (norm: number, maxNorm: number): number => Math.min(1, maxNorm / (norm + 1e-6));

function hostSquareSum(gradients: Gradients): number {
  let sum = 0;
  for (const gradient of gradients.values()) {
    const values = hostFloats(gradient);
    for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  }
  return sum;
}

const sizeOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

const numbered = (name: string, tensors: readonly Tensor[]): Record<string, Tensor> =>
  Object.fromEntries(tensors.map((tensor, i) => [`${name}_${i}`, tensor]));
