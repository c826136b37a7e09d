import { once } from 'node:events';

/** Where a command writes, and what it is told beside its arguments. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Results: standard output. Waits while nobody reads. */
  write(text: string | Uint8Array): Promise<void>;
  /** A line on standard error: what is going on, and what went wrong. */
  say(line: string): void;
}

export const processTerminal: Terminal = {
  env: process.env,
  async write(text) {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  },
  say(line) {
    process.stderr.write(`${line}\n`);
  },
};
