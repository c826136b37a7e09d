import { oneLine } from '../command-line/printable.ts';
import type { RunView } from '../client/api.views.ts';
import { ProgressBars } from './progress.bars.ts';
import { ProgressLines } from './progress.lines.ts';

/** A word on how training goes, by the run's id. */
export type Notes = Readonly<Record<string, string>>;

export interface Progress {
  show(runs: readonly RunView[], notes?: Notes): void;
  close(): void;
}

/** Bars on a terminal; elsewhere a line whenever something is finished. */
export function openProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? new ProgressBars(stream) : new ProgressLines((line) => stream.write(`${oneLine(line)}\n`));
}
