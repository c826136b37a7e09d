import { uniform } from '@solopo/random';
import type { LanguageModel } from './language-model.ts';
import type { Tensor } from './tensor.ts';
import type { TokenDistribution } from './token-distribution.ts';

export interface SamplingOptions {
  readonly samplesPerPrompt: number;
  /** 0: always the most likely token. */
  readonly temperature: number;
  readonly topP: number;
  readonly maxNewTokens: number;
  readonly eosIds: readonly number[];
  readonly seed: number;
}

export interface Prompt {
  readonly tokens: Int32Array;
  /** Names the prompt's stream of random numbers: two 32-bit words. */
  readonly key: readonly [number, number];
}

export interface Sample {
  /** Without the end-of-sequence token. */
  readonly tokens: Int32Array;
  readonly finish: 'stop' | 'length';
  /** sum of log p of the drawn tokens (the end token included) under the untempered model; 0 when greedy. */
  readonly logp: number;
}

/** Draws each stream's next token, from the hidden state at its place. Equal places are predicted once. */
export async function extend(
  model: LanguageModel,
  streams: readonly Stream[],
  hidden: Tensor,
  places: readonly number[],
  options: SamplingOptions,
): Promise<void> {
  const [first, ...others] = new Set(places);
  if (first === undefined) return;
  // Sums over one row are made in another order than over several: beside one there is one that nobody reads.
  const distinct = others.length === 0 ? [first, first] : [first, ...others];
  const rowOf = new Map([first, ...others].map((place, row) => [place, row]));
  const row = (i: number): number => rowOf.get(places[i] as number) as number;
  if (options.temperature === 0) {
    const tokens = await model.predict(hidden, distinct, 'argmax');
    streams.forEach((stream, i) => stream.take(Number(tokens[row(i)]), 0, options));
    return;
  }
  const distributions = await model.distributions(hidden, distinct, options);
  streams.forEach((stream, i) => stream.draw(distributions[row(i)] as TokenDistribution, options));
}

/** One sample as it grows. What a closed stream draws is ignored. */
export class Stream {
  readonly #tokens: number[] = [];
  #logp = 0;
  #stopped = false;
  last = 0;

  constructor(
    readonly prompt: Prompt,
    readonly index: number,
  ) {}

  get open(): boolean {
    return !this.#stopped;
  }

  draw(distribution: TokenDistribution, options: SamplingOptions): void {
    if (this.#stopped) return;
    const place = [this.prompt.key[0], this.prompt.key[1], this.#tokens.length, 0] as const;
    const { token, logp } = distribution.draw(uniform(place, [options.seed, this.index]));
    this.take(token, logp, options);
  }

  take(token: number, logp: number, { eosIds }: SamplingOptions): void {
    if (this.#stopped) return;
    this.#logp += logp;
    this.last = token;
    if (eosIds.includes(token)) this.#stopped = true;
    else this.#tokens.push(token);
  }

  sample(): Sample {
    return { tokens: Int32Array.from(this.#tokens), finish: this.#stopped ? 'stop' : 'length', logp: this.#logp };
  }
}
