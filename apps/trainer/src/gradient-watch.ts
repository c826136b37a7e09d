const WINDOW = 50;
const FEWEST = 10;
const SPIKE = 10;

/** Tells gradient norms that stand out from those before them: more than ten times the median of the last fifty steps. */
export class GradientWatch {
  #run: string | undefined;
  #norms: number[] = [];

  /** Steps come in their order. Whether this one is a spike; never before ten steps of the run are known. */
  isSpike(run: string, norm: number): boolean {
    if (run !== this.#run) [this.#run, this.#norms] = [run, []];
    const spikes = this.#norms.length >= FEWEST && norm > SPIKE * median(this.#norms);
    this.#norms = [...this.#norms, norm].slice(-WINDOW);
    return spikes;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
