/** Sums are kept of so many neighbouring tokens: a draw passes over whole blocks. */
const BLOCK = 128;
/** Weights of a bucket agree in their sign, exponent and first 7 bits. A weight of 1 is in bucket 0x3f80. */
const BUCKET_BITS = 16;
const BUCKETS = 0x3f81;

export interface DrawOptions {
  readonly temperature: number;
  /** Kept is the smallest set of tokens whose probability reaches it. */
  readonly topP: number;
}

/** What one token of a row is drawn from. */
export class TokenDistribution {
  readonly #blockSums: Float64Array;
  readonly #total: number;

  /**
   * @param weights each token's probability at the temperature; they become the distribution's own
   * @param greatest the greatest of them, and the greatest probability at temperature 1 (`likeliest`)
   */
  constructor(
    private readonly weights: Float32Array,
    private readonly of: { readonly greatest: number; readonly likeliest: number },
    private readonly options: DrawOptions,
  ) {
    this.#blockSums = new Float64Array(Math.ceil(weights.length / BLOCK));
    if (options.topP < 1) keepTop(weights, options.topP);
    let total = 0;
    for (let block = 0; block < this.#blockSums.length; block++) {
      const end = Math.min(weights.length, (block + 1) * BLOCK);
      let sum = 0;
      for (let i = block * BLOCK; i < end; i++) sum += weights[i] as number;
      this.#blockSums[block] = sum;
      total += sum;
    }
    this.#total = total;
  }

  /** Inverse-CDF draw; `u` is uniform in [0, 1). `logp` is of the model as it is: neither tempered nor cut. */
  draw(u: number): { readonly token: number; readonly logp: number } {
    const token = this.#tokenAt(u * this.#total);
    // log p = logit - log sum exp logit = (logit - greatest logit) + log p of the likeliest.
    const below = this.options.temperature * Math.log((this.weights[token] as number) / this.of.greatest);
    return { token, logp: below + Math.log(this.of.likeliest) };
  }

  /** The first token up to which the weights sum to more than `position`, which is below their total. */
  #tokenAt(position: number): number {
    let before = 0;
    let block = 0;
    // As the total was summed, so that some block is reached.
    while (before + (this.#blockSums[block] as number) <= position) before += this.#blockSums[block++] as number;
    let token = 0;
    for (let i = block * BLOCK; i < Math.min(this.weights.length, (block + 1) * BLOCK); i++) {
      const weight = this.weights[i] as number;
      if (weight === 0) continue;
      token = i;
      before += weight;
      if (before > position) break;
    }
    return token;
  }
}

/** Sets all but the greatest weights, which together reach the part `topP` of their sum, to 0; of equal ones the first stay. */
function keepTop(weights: Float32Array, topP: number): void {
  // Floats that are not negative are ordered as their bits are.
  const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
  const sums = new Float64Array(BUCKETS);
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    const bucket = (bits[i] as number) >>> BUCKET_BITS;
    sums[bucket] = (sums[bucket] as number) + weight;
    total += weight;
  }
  const enough = topP * total;
  let kept = 0;
  let bucket = BUCKETS - 1;
  while (bucket > 0 && kept + (sums[bucket] as number) < enough) kept += sums[bucket--] as number;
  // The cut goes through this bucket.
  const cut: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    const own = (bits[i] as number) >>> BUCKET_BITS;
    if (own === bucket) cut.push(i);
    else if (own < bucket) weights[i] = 0;
  }
  cut.sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b);
  for (const i of cut) {
    if (kept >= enough) weights[i] = 0;
    else kept += weights[i] as number;
  }
}
