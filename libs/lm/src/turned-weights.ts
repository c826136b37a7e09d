import type { StoredTensor } from './frozen-weights.ts';
import type { ModelConfig } from './model-config.ts';
import { EMBEDDING, FINAL_NORM, OUTPUT } from './parameter-names.ts';
import type { HostTensor } from './safetensors.ts';

/*
 * A row of hidden numbers has some that are many times the others, and all of them share a scale when it is rounded to 8 bits. Turned by
 * a Hadamard matrix H, orthogonal and its own inverse, the same row has numbers of like size:
 *
 *   x W' = (x H) (W H)'
 *
 * What goes past the blocks is turned throughout: the embedding's rows, what o_proj and down_proj give, and what q, k, v, gate, up and the
 * output table take. An RMS norm gives (x H) for (x H) when its weight has been moved into the matrices behind it; where norms stand
 * behind a layer (Gemma 3) it cannot be, and nothing past the blocks is turned. Values are turned head by head, in what v_proj gives and
 * o_proj takes. What down_proj takes arises from products of single numbers, and is turned as it arises (`hadamard`).
 *
 * Source: QuaRot (Ashkboos et al. 2024, arXiv:2404.00456), here with blocks of H on the diagonal instead of one H of the whole row.
 */

/** A size of H is at most so much: a larger one spreads further, and costs more where rows are turned as they arise. */
const LARGEST = 64;

/** Consecutive numbers, of a row of so many, that are turned together: a power of two. */
export function turnedTogether(size: number): number {
  return Math.min(LARGEST, size & -size);
}

/** H [n, n], n a power of two: +-1 / sqrt n. */
export function hadamard(n: number): Float32Array<ArrayBuffer> {
  const h = new Float32Array(n * n);
  for (let i = 0; i < n; i++) h[i * n + i] = 1;
  turnRuns(h, n);
  return h;
}

/** What a linear layer takes and gives, as far as it is turned. */
interface Sides {
  /** The norm whose weight is moved into it. */
  readonly norm?: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** A model's parameters, and those of its adapters, for turned rows: in exact arithmetic the same model. */
export class TurnedWeights {
  readonly #past: number;
  readonly #norms: ReadonlyMap<string, HostTensor>;

  constructor(
    private readonly config: ModelConfig,
    weights: ReadonlyMap<string, StoredTensor>,
  ) {
    this.#past = config.norms.after ? 1 : turnedTogether(config.hiddenSize);
    this.#norms = new Map(
      [...weights].flatMap(([name, tensor]) => (isNorm(name) && 'data' in tensor ? [[name, tensor]] : [])),
    );
  }

  /** By its name in the model; a table that tokens are looked up in is turned by that name, and again as the output table by its own. */
  of(name: string, tensor: HostTensor): HostTensor {
    if (name === EMBEDDING) return this.#turned(tensor, { inputs: this.#past, outputs: 1 });
    if (name === OUTPUT) return this.#turned(tensor, { ...this.#behind(FINAL_NORM), outputs: 1 });
    if (isNorm(name)) return this.#norm(tensor);
    const [, layer, module, part] = /^(.*\.)\w+\.(\w+_proj)\.(.+)$/.exec(name) ?? [];
    if (layer === undefined || module === undefined) return tensor;
    const { norm, inputs, outputs } = this.#sidesOf(layer, module);
    if (part === 'bias' || part === 'lora_B.weight') return this.#turned(tensor, { inputs: 1, outputs });
    const taken = norm === undefined ? { inputs } : { norm, inputs };
    return this.#turned(tensor, { ...taken, outputs: part === 'lora_A.weight' ? 1 : outputs });
  }

  #sidesOf(layer: string, module: string): Sides {
    const { headSize, intermediateSize } = this.config;
    const values = turnedTogether(headSize);
    const fed = turnedTogether(intermediateSize);
    switch (module) {
      case 'v_proj':
        return { ...this.#behind(`${layer}input_layernorm.weight`), outputs: values };
      case 'q_proj':
      case 'k_proj':
        return { ...this.#behind(`${layer}input_layernorm.weight`), outputs: 1 };
      case 'gate_proj':
      case 'up_proj':
        return { ...this.#behind(`${layer}post_attention_layernorm.weight`), outputs: 1 };
      case 'o_proj':
        return { inputs: values, outputs: this.#past };
      case 'down_proj':
        return { inputs: fed, outputs: this.#past };
      default:
        return { inputs: 1, outputs: 1 };
    }
  }

  #behind(norm: string): Pick<Sides, 'norm' | 'inputs'> {
    return this.#past === 1 ? { inputs: 1 } : { norm, inputs: this.#past };
  }

  /** Of a norm whose weight has been moved. */
  #norm(tensor: HostTensor): HostTensor {
    if (this.#past === 1) return tensor;
    return { ...tensor, data: new Float32Array(tensor.data.length).fill(this.config.norms.unitOffset ? 0 : 1) };
  }

  #turned({ dims, data }: HostTensor, { norm, inputs, outputs }: Sides): HostTensor {
    const turned = Float32Array.from(data);
    const columns = dims.length > 1 ? (dims.at(-1) as number) : 1;
    if (norm !== undefined) this.#scaleColumns(turned, this.#norms.get(norm) as HostTensor);
    turnRuns(turned, inputs);
    turnRows(turned, columns, outputs);
    return { dims, data: turned };
  }

  #scaleColumns(data: Float32Array, { data: weight }: HostTensor): void {
    const offset = this.config.norms.unitOffset ? 1 : 0;
    for (let at = 0; at < data.length; at += weight.length)
      for (let i = 0; i < weight.length; i++)
        data[at + i] = (data[at + i] as number) * ((weight[i] as number) + offset);
  }
}

/** Whether it stands before layers, on what goes past them. */
function isNorm(name: string): boolean {
  return name === FINAL_NORM || /\.(input|post_attention)_layernorm\.weight$/.test(name);
}

/** Every `size` consecutive numbers. */
function turnRuns(data: Float32Array, size: number): void {
  turnRows(data, 1, size);
}

/** Every `size` consecutive rows of so many columns, in place: the fast Walsh-Hadamard transform. */
function turnRows(data: Float32Array, columns: number, size: number): void {
  for (let span = 1; span < size; span *= 2) {
    const half = span * columns;
    for (let begin = 0; begin < data.length; begin += 2 * half)
      for (let i = begin; i < begin + half; i++) {
        const a = data[i] as number;
        const b = data[i + half] as number;
        data[i] = a + b;
        data[i + half] = a - b;
      }
  }
  if (size === 1) return;
  const scale = 1 / Math.sqrt(size);
  for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) * scale;
}
