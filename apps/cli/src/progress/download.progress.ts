const EVERY = 0.1;
const MB = 1e6;

/** A line for every tenth of a download, with the time that is left at the speed since it began. */
export class DownloadProgress {
  readonly #started: number;
  #first: number | undefined;
  #next = 0;

  constructor(
    private readonly title: string,
    private readonly say: (line: string) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#started = now();
  }

  show(done: number, total: number | undefined): void {
    this.#first ??= done;
    if (total === undefined || done / total < this.#next) return;
    this.#next = Math.floor(done / total / EVERY) * EVERY + EVERY;
    const speed = (done - this.#first) / Math.max(this.now() - this.#started, 1);
    const left = speed > 0 ? `, ${Math.ceil((total - done) / speed / 1000)} s left` : '';
    const percent = Math.floor((100 * done) / total);
    this.say(`${this.title}: ${percent} % of ${Math.round(total / MB)} MB${done < total ? left : ''}`);
  }
}
