/** The part of an axis that is shown: all of it, or a window that is moved and narrowed without leaving it. */
export class ViewRange {
  /** Null: all. */
  #window = null;

  get isWhole() {
    return this.#window === null;
  }

  of(low, high) {
    return this.#window ?? [low, high];
  }

  whole() {
    this.#window = null;
  }

  set([from, to], [low, high]) {
    if (from <= low && to >= high) return this.whole();
    const length = Math.min(high - low, Math.max(to - from, 1));
    const start = Math.max(low, Math.min(high - length, from));
    this.#window = [start, start + length];
  }

  /** By a share of what is shown. */
  move(share, [low, high]) {
    const [from, to] = this.of(low, high);
    const by = share * (to - from);
    this.set([from + by, to + by], [low, high]);
  }

  /** Around a place within what is shown, from 0 to 1. */
  zoom(factor, [low, high], around = 0.5) {
    const [from, to] = this.of(low, high);
    const centre = from + around * (to - from);
    this.set([centre - (centre - from) * factor, centre + (to - centre) * factor], [low, high]);
  }
}
