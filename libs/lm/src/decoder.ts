import type { Graph } from '@solopo/onnx-graph';
import { answerToken, promptChunk, singleAnswerToken } from './answer.graph.ts';
import type { BlockShape } from './block.graph.ts';
import type { Embedding } from './embedding.ts';
import { roundPlaces, type KeyValueCache } from './key-value-cache.ts';
import type { LayerKind } from './model-config.ts';
import type { LayerRange, ModelWeights, RunWeights } from './model-weights.ts';
import type { Feeds } from './runtime.ts';
import type { Scope } from './scope.ts';
import { float32, hostFloats, int64, type Tensor } from './tensor.ts';
import type { TokenAxis } from './token-geometry.ts';

/** A prompt goes through in chunks of so many tokens: a chunk's numbers stay in the processor's caches from product to product. */
const CHUNK = 256;

/** Prompts of up to a chunk's tokens go through together, as long as they are no more tokens than this, padding counted. */
const TOKENS_TOGETHER = 512;

const HIDDEN = -1e30;

/** Prompts that went through together. */
export interface Prefilled {
  /** Of the last chunk's tokens [1, M, d], and the row at which each prompt ends. */
  readonly hidden: Tensor;
  readonly lastRows: readonly number[];
  /** Writes a prompt's keys and values into the cache. */
  readonly store: (cache: KeyValueCache, prompt: number, group: number) => void;
}

/** An answer that its next token is wanted of. */
export interface OpenAnswer {
  /** Its last token, which has no keys and values yet. */
  readonly token: number;
  readonly group: number;
  readonly answer: number;
}

/** A prompt with answers under way: all of them have the same number of tokens. */
export interface OpenGroup {
  readonly promptLength: number;
  /** Tokens of each answer that have keys and values. */
  readonly answered: number;
}

/** Layers that one session takes, with their weights. */
interface LayersOfSession extends RunWeights {
  readonly range: LayerRange;
}

/** A model's layers as answers go through them, on the processor. Its weights do not change while there is one. */
export class Decoder {
  private constructor(
    private readonly weights: ModelWeights,
    private readonly embedding: Embedding,
    private readonly tokens: TokenAxis,
    private readonly layers: readonly LayersOfSession[],
  ) {}

  static async of(weights: ModelWeights, embedding: Embedding, tokens: TokenAxis): Promise<Decoder> {
    const layers: LayersOfSession[] = [];
    for (const range of await weights.ranges()) layers.push({ range, ...(await weights.layers(range)) });
    return new Decoder(weights, embedding, tokens, layers);
  }

  /** How many of the prompts, from the first, go through together: as many as are no longer than a chunk and few enough, or one. */
  static together(lengths: readonly number[]): number {
    let longest = 0;
    let count = 0;
    for (const length of lengths) {
      longest = Math.max(longest, roundPlaces(length));
      if (longest > CHUNK || longest * (count + 1) > TOKENS_TOGETHER) break;
      count += 1;
    }
    return Math.max(1, count);
  }

  /** Prompts that go `together`. What comes out is the scope's. */
  async prefill(scope: Scope, prompts: readonly Int32Array[]): Promise<Prefilled> {
    const { config } = this.weights;
    const { kvHeads: G, headSize: K, layers } = config;
    const B = prompts.length;
    const lengths = Int32Array.from(prompts, ({ length }) => length);
    const longest = Math.max(...lengths);
    const none = (): Tensor => float32(new Float32Array(0), [B, G, 0, K]);
    let caches = Array.from({ length: layers }, () => ({ keys: none(), values: none() }));
    let hidden: Tensor | undefined;
    let from = 0;
    let T = 0;
    for (; from < longest; from += T) {
      T = Math.min(CHUNK, roundPlaces(longest - from));
      const tokens = new Int32Array(B * T);
      prompts.forEach((prompt, row) => tokens.set(prompt.subarray(from, from + T), row * T));
      const positions = Int32Array.from(tokens, (_, i) => from + (i % T));
      const shared: Record<string, Tensor> = { order: inOrder(B * T), sizes: int64([B, T], [2]) };
      config.layerKinds.forEach((kind, i) => {
        Object.assign(shared, this.#tables(i, positions, lengths, T));
        shared[`visible_${i}`] = visibleInChunk(from, T, kind.slidingWindow);
      });
      let h = await this.embedding.forward(scope, tokens, [B, T]);
      const grown: typeof caches = [];
      for (const session of this.layers) {
        const past: Record<string, Tensor> = {};
        const [first, end] = session.range;
        for (let layer = first; layer < end; layer++) {
          past[`past_keys_${layer}`] = caches[layer]?.keys as Tensor;
          past[`past_values_${layer}`] = caches[layer]?.values as Tensor;
        }
        const outputs = await this.#run(scope, promptChunk, session, { ...shared, ...past, h: asRows(h) });
        scope.free(h, ...Object.values(past));
        h = outputs['h_out'] as Tensor;
        for (let layer = first; layer < end; layer++)
          grown.push({ keys: outputs[`keys_${layer}`] as Tensor, values: outputs[`values_${layer}`] as Tensor });
      }
      caches = grown;
      if (hidden) scope.free(hidden);
      hidden = h;
    }
    const [begin, stride] = [from - T, from];
    const store = (cache: KeyValueCache, row: number, group: number): void =>
      caches.forEach(({ keys, values }, layer) =>
        cache.storePrompt(group, layer, [hostFloats(keys), hostFloats(values)], {
          row,
          length: lengths[row] as number,
          stride,
        }),
      );
    const lastRows = Array.from(lengths, (length, row) => row * T + length - 1 - begin);
    return { hidden: asBatch(hidden as Tensor), lastRows, store };
  }

  /** The next hidden state of each answer, [1, A, d], the scope's; its last token's keys and values go into the cache. */
  async step(
    scope: Scope,
    begun: readonly OpenGroup[],
    open: readonly OpenAnswer[],
    cache: KeyValueCache,
  ): Promise<Tensor> {
    const { config } = this.weights;
    const { answers: N } = cache;
    const isSingle = N === 1;
    const { groups, rows } = this.#twoRows(begun, open, cache);
    cache.reserve(groups);
    const places = rows.map(({ group, answer }) => group * N + answer);
    const atPlace = new Int32Array(groups.length * N);
    places.forEach((place, row) => (atPlace[place] = row));
    const positions = Int32Array.from(atPlace, (_, place) => {
      const { promptLength, answered } = groups[Math.floor(place / N)] as OpenGroup;
      return promptLength + answered;
    });
    // As transformers generates: keys stay rotated by the length that the sequence had when they were made.
    const lengths = positions.map((position) => position + 1);
    const shared: Record<string, Tensor> = { order: inOrder(atPlace.length) };
    config.layerKinds.forEach((kind, i) => {
      Object.assign(shared, this.#tables(i, positions, lengths, 1));
      shared[`visible_${i}`] = visibleToToken(groups, cache, kind.slidingWindow);
    });
    if (!isSingle) {
      shared['places'] = int64(places, [places.length]);
      shared['answers'] = int64(atPlace, [atPlace.length]);
    }
    let h = await this.embedding.forward(
      scope,
      Int32Array.from(rows, ({ token }) => token),
      [1, rows.length],
    );
    for (const session of this.layers) {
      const feeds = { ...shared, ...cache.feeds(groups.length, session.range), h: asRows(h) };
      const outputs = await this.#run(scope, isSingle ? singleAnswerToken : answerToken, session, feeds);
      scope.free(h);
      h = outputs['h_out'] as Tensor;
      for (let layer = session.range[0]; layer < session.range[1]; layer++) {
        const [keys, values] = [outputs[`keys_${layer}`] as Tensor, outputs[`values_${layer}`] as Tensor];
        const given = [hostFloats(keys), hostFloats(values)] as const;
        for (const { group, answer } of open) {
          const place = { ...(groups[group] as OpenGroup), group, answer };
          cache.storeToken(place, layer, given, group * N + answer);
        }
        scope.free(keys, values);
      }
    }
    return asBatch(h);
  }

  /** A product of one row is made in another order than that of several: beside one answer there is one that nobody reads. */
  #twoRows(
    groups: readonly OpenGroup[],
    open: readonly OpenAnswer[],
    { answers }: KeyValueCache,
  ): { readonly groups: readonly OpenGroup[]; readonly rows: readonly OpenAnswer[] } {
    const [only] = open;
    if (!only || open.length > 1 || this.weights.shape.rounded) return { groups, rows: open };
    if (answers > 1) return { groups, rows: [only, only] };
    return { groups: [...groups, { promptLength: 0, answered: 0 }], rows: [only, { ...only, group: 1 }] };
  }

  /** Cosines and sines of a kind, a row a token. */
  #tables(kind: number, positions: Int32Array, lengths: Int32Array, T: number): Readonly<Record<string, Tensor>> {
    const { layerKinds, headSize } = this.weights.config;
    const { cos, sin } = this.tokens.rotary(layerKinds[kind] as LayerKind, positions, lengths, T);
    const dims = [positions.length, headSize / 2];
    return { [`cos_${kind}`]: float32(hostFloats(cos), dims), [`sin_${kind}`]: float32(hostFloats(sin), dims) };
  }

  async #run(
    scope: Scope,
    graph: (shape: BlockShape, range: LayerRange) => Graph,
    { range, feeds: fed, weights }: LayersOfSession,
    feeds: Feeds,
  ): Promise<Readonly<Record<string, Tensor>>> {
    const { key, shape } = this.weights;
    const name = key(`${graph.name} ${range.join('-')}`);
    return scope.run(name, () => graph(shape, range), { ...feeds, ...fed }, [], weights);
  }
}

/** [B, T, d] -> [B T, d], the same numbers. */
function asRows(h: Tensor): Tensor {
  const d = h.dims.at(-1) as number;
  return float32(hostFloats(h), [h.size / d, d]);
}

/** [M, d] -> [1, M, d], the same numbers. */
function asBatch(h: Tensor): Tensor {
  return float32(hostFloats(h), [1, ...h.dims]);
}

function inOrder(rows: number): Tensor {
  return int64(
    Array.from({ length: rows }, (_, i) => i),
    [rows, 1],
  );
}

/** [T, from + T] for tokens from place `from` on. */
function visibleInChunk(from: number, T: number, window: number | null): Tensor {
  const E = from + T;
  const bias = new Float32Array(T * E).fill(HIDDEN);
  for (let t = 0; t < T; t++) {
    const first = window === null ? 0 : Math.max(0, from + t + 1 - window);
    bias.fill(0, t * E + first, t * E + from + t + 1);
  }
  return float32(bias, [T, E]);
}

/** [Q, 1, 1, P + S + 1]: of a group's prompt and answers, what its next tokens see, themselves included. */
function visibleToToken(
  groups: readonly OpenGroup[],
  { promptPlaces, ownPlaces, answers }: KeyValueCache,
  window: number | null,
): Tensor {
  const width = promptPlaces + ownPlaces + 1;
  const bias = new Float32Array(groups.length * width).fill(HIDDEN);
  groups.forEach(({ promptLength, answered }, row) => {
    const first = window === null ? 0 : Math.max(0, promptLength + answered + 1 - window);
    const begin = row * width;
    bias.fill(0, begin + first, begin + promptLength + (answers === 1 ? answered : 0));
    // No answer is longer than the window.
    if (answers > 1) bias.fill(0, begin + promptPlaces, begin + promptPlaces + answered);
    bias[begin + width - 1] = 0;
  });
  return float32(bias, [groups.length, 1, 1, width]);
}
