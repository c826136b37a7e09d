import type { ModelConfig } from './model-config.ts';
import type { Feeds } from './runtime.ts';
import { float32 } from './tensor.ts';

/**
 * Places are made in multiples of it: a sum over places, hidden ones among them, is then made in the same order whatever their
 * number, and its bits do not depend on what runs beside it.
 */
const PLACES = 64;

export const roundPlaces = (places: number): number => Math.max(PLACES, PLACES * Math.ceil(places / PLACES));

type Sizes = Pick<ModelConfig, 'layers' | 'kvHeads' | 'headSize'>;

/** Of a token's keys and values in all layers. */
export const cacheBytesPerToken = ({ layers, kvHeads, headSize }: Sizes): number => 2 * 4 * layers * kvHeads * headSize;

/** A layer's keys and values. */
export type KeysAndValues = readonly [keys: Float32Array, values: Float32Array];

/**
 * Keys and values in this process's memory, of prompts and of answers to them. Groups (a prompt with its answers) stand one behind
 * the other, so that the first so many of them are one tensor. A prompt's only answer stands behind the prompt; of several each has
 * places of its own.
 *
 * Legend of shapes: Q groups, N answers a prompt, G key-value heads, P places for a prompt's tokens, S for an answer's, K head size.
 */
export class KeyValueCache {
  /** By layer, [Q, G, P, K]. */
  #prompt: readonly KeysAndValues[];
  #promptPlaces: number;
  /** By layer, [Q, N, G, S, K]; nothing where there is one answer a prompt. */
  #own: readonly KeysAndValues[];
  #ownPlaces = PLACES;
  /** By layers and number of groups. */
  readonly #feeds = new Map<string, Feeds>();

  constructor(
    private readonly sizes: Sizes,
    /** At least two where there is one answer a prompt: see `Decoder`. */
    readonly groups: number,
    readonly answers: number,
    promptTokens: number,
  ) {
    this.#promptPlaces = roundPlaces(promptTokens + (answers === 1 ? PLACES : 0));
    this.#prompt = this.#arrays(groups * this.#promptSize);
    this.#own = answers === 1 ? [] : this.#arrays(groups * this.#ownSize);
  }

  get promptPlaces(): number {
    return this.#promptPlaces;
  }

  /** 0 where there is one answer a prompt. */
  get ownPlaces(): number {
    return this.answers === 1 ? 0 : this.#ownPlaces;
  }

  /** A layer's keys and values of a prompt's tokens: row `row` of [B, G, stride, K]. */
  storePrompt(
    group: number,
    layer: number,
    given: KeysAndValues,
    { row, length, stride }: { readonly row: number; readonly length: number; readonly stride: number },
  ): void {
    const { kvHeads, headSize } = this.sizes;
    for (const [i, source] of given.entries()) {
      const target = this.#prompt[layer]?.[i] as Float32Array;
      for (let head = 0; head < kvHeads; head++) {
        const from = (row * kvHeads + head) * stride * headSize;
        const to = (group * kvHeads + head) * this.#promptPlaces * headSize;
        target.set(source.subarray(from, from + length * headSize), to);
      }
    }
  }

  /** A layer's keys and values of an answer's token, of which `answered` stand before it: row `row` of [QN, G K]. */
  storeToken(
    { group, answer, promptLength, answered }: TokenPlace,
    layer: number,
    given: KeysAndValues,
    row: number,
  ): void {
    const { kvHeads, headSize } = this.sizes;
    const isSingle = this.answers === 1;
    const [arrays, places] = isSingle ? [this.#prompt, this.#promptPlaces] : [this.#own, this.#ownPlaces];
    const first = (isSingle ? group : group * this.answers + answer) * kvHeads;
    const place = isSingle ? promptLength + answered : answered;
    for (const [i, source] of given.entries()) {
      const target = arrays[layer]?.[i] as Float32Array;
      for (let head = 0; head < kvHeads; head++) {
        const from = (row * kvHeads + head) * headSize;
        const to = ((first + head) * places + place) * headSize;
        for (let k = 0; k < headSize; k++) target[to + k] = source[from + k] as number;
      }
    }
  }

  /** Makes room for one more token of each answer. */
  reserve(groups: readonly Pick<TokenPlace, 'promptLength' | 'answered'>[]): void {
    if (this.answers === 1) {
      const needed = Math.max(...groups.map(({ promptLength, answered }) => promptLength + answered + 1));
      if (needed <= this.#promptPlaces) return;
      const places = roundPlaces(needed + PLACES);
      this.#prompt = this.#grown(this.#prompt, this.#promptPlaces, places);
      this.#promptPlaces = places;
    } else {
      const needed = Math.max(...groups.map(({ answered }) => answered + 1));
      if (needed <= this.#ownPlaces) return;
      const places = roundPlaces(2 * this.#ownPlaces);
      this.#own = this.#grown(this.#own, this.#ownPlaces, places);
      this.#ownPlaces = places;
    }
    this.#feeds.clear();
  }

  /** A group takes the place of one that has ended. */
  move(from: number, to: number): void {
    for (const [arrays, size] of [
      [this.#prompt, this.#promptSize],
      [this.#own, this.#ownSize],
    ] as const)
      for (const array of arrays.flat()) array.copyWithin(to * size, from * size, (from + 1) * size);
  }

  /** As a graph of layers [from, to) takes the first `count` groups. */
  feeds(count: number, layers: readonly [number, number]): Feeds {
    const key = [count, ...layers].join();
    const feeds = this.#feeds.get(key) ?? this.#views(count, layers);
    this.#feeds.set(key, feeds);
    return feeds;
  }

  #views(count: number, [from, to]: readonly [number, number]): Feeds {
    const { kvHeads: G, headSize: K } = this.sizes;
    const feeds: Record<string, Feeds[string]> = {};
    const view = (array: Float32Array | undefined, dims: readonly number[]) => {
      const size = dims.reduce((product, dim) => product * dim, 1);
      return float32((array as Float32Array).subarray(0, size), dims);
    };
    for (let layer = from; layer < to; layer++)
      for (const [i, name] of ['keys', 'values'].entries()) {
        feeds[`prompt_${name}_${layer}`] = view(this.#prompt[layer]?.[i], [count, G, this.#promptPlaces, K]);
        if (this.answers > 1)
          feeds[`own_${name}_${layer}`] = view(this.#own[layer]?.[i], [count, this.answers, G, this.#ownPlaces, K]);
      }
    return feeds;
  }

  get #promptSize(): number {
    return this.sizes.kvHeads * this.#promptPlaces * this.sizes.headSize;
  }

  get #ownSize(): number {
    return this.answers * this.sizes.kvHeads * this.#ownPlaces * this.sizes.headSize;
  }

  #arrays(length: number): KeysAndValues[] {
    return Array.from({ length: this.sizes.layers }, () => [new Float32Array(length), new Float32Array(length)]);
  }

  /** With more places for each head's rows. */
  #grown(arrays: readonly KeysAndValues[], before: number, after: number): KeysAndValues[] {
    const { headSize } = this.sizes;
    return arrays.map((pair) => {
      const [keys, values] = pair.map((source) => {
        const target = new Float32Array((source.length / before) * after);
        const size = before * headSize;
        for (let i = 0; i * size < source.length; i++)
          target.set(source.subarray(i * size, (i + 1) * size), i * after * headSize);
        return target;
      });
      return [keys, values] as unknown as KeysAndValues;
    });
  }
}

/** Where an answer's next token stands. */
export interface TokenPlace {
  readonly group: number;
  readonly answer: number;
  readonly promptLength: number;
  /** Tokens of the answer that have keys and values. */
  readonly answered: number;
}
