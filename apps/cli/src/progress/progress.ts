import type { RunView } from '@solopo/contracts';
import { ProgressBars } from './progress.bars.ts';
import { ProgressLines } from './progress.lines.ts';

export interface Progress {
  show(runs: readonly RunView[]): void;
  close(): void;
}

/** Bars on a terminal; elsewhere a line whenever something is finished. */
export function openProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? new ProgressBars(stream) : new ProgressLines((line) => stream.write(`${line}\n`));
}
