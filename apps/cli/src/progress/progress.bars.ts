import { MultiBar, type SingleBar } from 'cli-progress';
import { oneLine } from '../command-line/printable.ts';
import type { RunView } from '../client/api.views.ts';
import type { Notes, Progress } from './progress.ts';
import { tally } from './tally.ts';
import { leftText } from './time-left.ts';

const LABEL_WIDTH = 18;

/** One bar for each line of the work, all moving at once. */
export class ProgressBars implements Progress {
  readonly #bars: MultiBar;
  readonly #byLabel = new Map<string, SingleBar>();

  constructor(stream: NodeJS.WriteStream) {
    this.#bars = new MultiBar({
      stream,
      format: '  {label} [{bar}] {count}',
      barsize: 32,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      emptyOnZero: true,
      hideCursor: true,
      // The signals are the command's.
      gracefulExit: false,
    });
  }

  show(runs: readonly RunView[], notes?: Notes): void {
    for (const { label, unit, done, total, now, note } of tally(runs, notes)) {
      const far = [total === null ? '' : `${done}/${total} ${unit}`, now === null ? '' : leftText(now)];
      const count = [far.filter(Boolean).join(', '), note ?? ''].filter(Boolean).join('  ');
      const payload = { label: oneLine(label).padEnd(LABEL_WIDTH), count: oneLine(count) };
      let bar = this.#byLabel.get(label);
      if (bar === undefined) {
        bar = this.#bars.create(0, 0, payload);
        this.#byLabel.set(label, bar);
      }
      bar.setTotal(total ?? 0);
      bar.update(total === null ? 0 : done, payload);
    }
  }

  close(): void {
    this.#bars.stop();
  }
}
