const EVERY_MS = 10_000;
/** Before there is a rate to go by. */
const FEW = 5;

/** A line on the standard error: what is done, and about how long the rest takes. */
export class Progress {
  #total;
  #start = Date.now();
  #said = 0;

  constructor(total) {
    this.#total = total;
  }

  tell(results) {
    const now = Date.now();
    const isLast = results.length === this.#total;
    if (now - this.#said < (process.stderr.isTTY ? 200 : EVERY_MS) && !isLast) return;
    this.#said = now;
    const counts = Map.groupBy(results, ({ outcome }) => outcome);
    const parts = [...counts].map(([outcome, { length }]) => `${outcome} ${length}`).join(', ');
    const left = ((now - this.#start) / results.length) * (this.#total - results.length);
    const rest = isLast || results.length < FEW ? '' : `; about ${durationOf(left)} left`;
    const line = `${results.at(-1).kind} ${results.length}/${this.#total}: ${parts}${rest}`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}${isLast ? '\n' : ''}` : `${line}\n`);
  }
}

function durationOf(ms) {
  return ms < 90_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`;
}
