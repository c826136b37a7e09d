import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import { printable } from './printable.ts';

/** Where a command writes, and what it is told beside its arguments. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Results: standard output. Waits while nobody reads. */
  write(text: string | Uint8Array): Promise<void>;
  /** A line on standard error: what is going on, and what went wrong. */
  say(line: string): void;
}

const decoder = new StringDecoder();

export const processTerminal: Terminal = {
  env: process.env,
  async write(text) {
    // Bytes are data: as they are into a file or another program, to be read on a screen.
    const shown = typeof text !== 'string' && process.stdout.isTTY ? printable(decoder.write(Buffer.from(text))) : text;
    if (!process.stdout.write(shown)) await once(process.stdout, 'drain');
  },
  say(line) {
    process.stderr.write(`${line}\n`);
  },
};

/** The same terminal, which obeys nothing that the texts of others bring: names, errors, warnings. */
export function guarded(terminal: Terminal): Terminal {
  return {
    env: terminal.env,
    write: (text) => terminal.write(typeof text === 'string' ? printable(text) : text),
    say: (line) => terminal.say(printable(line)),
  };
}
