import type { FINISH_ACTIVATIONS } from './block.graph.ts';
import type { Scope } from './scope.ts';
import type { Tensor } from './tensor.ts';
import type { TreeBatch } from './tree-batch.ts';

/**
 * What a forward pass leaves: the last block's output [rows, length - readFrom, d] and, for the backward pass, what each
 * block needs. On a device it takes memory until it is freed; the backward pass frees the blocks' as it goes.
 */
export interface Activations {
  readonly batch: TreeBatch;
  readonly output: Tensor;
  readonly layers: readonly LayerActivations[];
  /** What the targets' distributions are held against; null: the targets alone are. */
  readonly teacher: Teacher | null;
  /** Under a frozen head, as soon as known: the gradient of each target's log p, or of its KL from the teacher, [targets, d] in chunks. */
  readonly headGradients: Tensor[];
  readonly scope: Scope;
  free(): void;
}

/** Another model's predictions of the same targets, in their order. */
export interface Teacher {
  /** Of the targets [from, to): [to - from, vocabulary]. */
  logits(from: number, to: number): Promise<Tensor>;
}

export interface LayerActivations {
  /** The block's input. */
  readonly h: Tensor;
  /** Null: computed again. */
  readonly kept: Kept | null;
  /** Of all tokens, where those before the block's input are constants; absent where there are none. */
  readonly seen?: Seen;
}

/** Keys and values [rows, G, tokens, K]. */
export type Seen = Readonly<Record<'keys' | 'values', Tensor>>;

/** `h_some`: of the block's input, the tokens whose output it makes; absent where these are all. */
export type Projected = Readonly<Record<'queries' | 'keys' | 'values', Tensor> & { h_some?: Tensor }>;
export type Kept = Projected & Readonly<Record<'mixed' | (typeof FINISH_ACTIVATIONS)[number], Tensor>>;

/** What `work` makes of the activations, which are freed. */
export async function consume<T>(activations: Activations, work: (activations: Activations) => Promise<T>): Promise<T> {
  try {
    return await work(activations);
  } finally {
    activations.free();
  }
}
