import type { Graph } from '@solopo/onnx-graph';
import type { Feeds, Outputs, Runtime, Weights } from './runtime.ts';
import type { Tensor } from './tensor.ts';

/** Owns the tensors that are made through it, and frees them when it is closed. */
export class Scope {
  readonly #owned = new Set<Tensor>();

  constructor(readonly runtime: Runtime) {}

  async run(
    key: string,
    graph: () => Graph,
    feeds: Feeds,
    fetch: readonly string[] = [],
    weights?: Weights,
  ): Promise<Outputs> {
    const outputs = await this.runtime.run(key, graph, feeds, fetch, weights);
    for (const output of Object.values(outputs)) this.#owned.add(output);
    return outputs;
  }

  async upload(tensor: Tensor): Promise<Tensor> {
    const uploaded = await this.runtime.upload(tensor);
    if (uploaded !== tensor) this.#owned.add(uploaded);
    return uploaded;
  }

  /** Takes over a tensor of another scope. */
  own(tensor: Tensor): Tensor {
    this.#owned.add(tensor);
    return tensor;
  }

  /** Hands a tensor out: who takes it frees it. */
  release(tensor: Tensor): Tensor {
    this.#owned.delete(tensor);
    return tensor;
  }

  free(...tensors: readonly Tensor[]): void {
    for (const tensor of tensors) if (this.#owned.delete(tensor)) this.runtime.free(tensor);
  }

  close(): void {
    this.free(...this.#owned);
  }
}
