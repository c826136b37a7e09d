// Batches and reports of a kind of case.

/** Of what is left after a collection, for each 10,000 cases; not asked of fewer cases than that. */
export const GROWTH = { bytes: 20e6, cases: 4000 };

/** `cases` of a kind in batches, each with a seed of its own; or one case that was told before, by its `seed` and `path`. */
export function tasksOf({ kind, cases, path, seed: told }, seed, batch) {
  if (path !== undefined) return [{ kind, seed: told, cases: 1, path }];
  return Array.from({ length: Math.ceil(cases / batch) }, (_, index) => ({
    kind,
    seed: seedOf(seed, kind, index),
    cases: Math.min(batch, cases - index * batch),
  }));
}

/** 32 bits, as fast-check takes them. */
function seedOf(seed, kind, batch) {
  let mixed = seed | 0;
  for (const character of `${kind}:${batch}`) mixed = Math.imul(mixed ^ character.codePointAt(0), 0x01000193) | 0;
  return mixed;
}

export class KindReport {
  cases = 0;
  outcomes = {};
  faults = [];
  slowest = { ms: 0 };
  growthBytes = null;
  rssBytes = 0;
  seconds = 0;
  #samples = [];

  constructor(kind) {
    this.kind = kind;
  }

  /** What checkBatch returns, and the memory that was there behind it. */
  add({ cases, outcomes, faults, slowest, seconds, heapBytes, rssBytes }) {
    this.cases += cases;
    for (const [outcome, number] of Object.entries(outcomes))
      this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + number;
    this.faults.push(...faults);
    this.seconds += seconds;
    if (slowest.ms > this.slowest.ms) this.slowest = slowest;
    this.rssBytes = Math.max(this.rssBytes, rssBytes);
    this.#samples.push({ cases: this.cases, heapBytes });
  }

  /** Between medians of the second and of the last fifth: the first fifth fills caches. */
  end(allowedBytes = GROWTH.bytes) {
    if (this.cases < GROWTH.cases || this.#samples.length < 10) return;
    const fifth = Math.floor(this.#samples.length / 5);
    const [early, late] = [this.#samples.slice(fifth, 2 * fifth), this.#samples.slice(-fifth)];
    const between = (key) => median(late.map((sample) => sample[key])) - median(early.map((sample) => sample[key]));
    this.growthBytes = (between('heapBytes') / between('cases')) * 10_000;
    if (this.growthBytes > allowedBytes)
      this.faults.push({
        name: 'memory',
        message: `${Math.round(this.growthBytes / 1e6)} MB more in 10,000 cases`,
        place: '',
      });
  }
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1];
}
