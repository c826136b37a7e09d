/** Metrics by step as columns, as the charts draw them: one array a metric, with gaps where it was not reported. */
export class Series {
  steps = [];
  #columns = new Map();

  get last() {
    return this.steps.at(-1) ?? 0;
  }

  get names() {
    return [...this.#columns.keys()];
  }

  column(name) {
    return this.#columns.get(name) ?? [];
  }

  /** False: nothing new. A step that is there already takes the newer figures. */
  put(step, metrics) {
    const index = this.#indexOf(step);
    const isThere = this.steps[index] === step;
    if (!isThere) {
      this.steps.splice(index, 0, step);
      for (const column of this.#columns.values()) column.splice(index, 0, null);
    }
    let changed = !isThere;
    for (const [name, value] of Object.entries(metrics)) {
      if (!this.#columns.has(name))
        this.#columns.set(
          name,
          this.steps.map(() => null),
        );
      const column = this.#columns.get(name);
      changed ||= column[index] !== value;
      column[index] = value;
    }
    return changed;
  }

  #indexOf(step) {
    let index = this.steps.length;
    while (index > 0 && this.steps[index - 1] >= step) index--;
    return index;
  }
}
