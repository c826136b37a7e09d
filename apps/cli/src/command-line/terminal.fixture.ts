import { run } from '../run.ts';
import type { Terminal } from './terminal.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line in this process, and keeps what it writes. */
export async function ran(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const out: Uint8Array[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    env,
    write: async (text) => void out.push(Buffer.from(text)),
    say: (line) => void err.push(line),
  };
  const code = await run(args, terminal, () => new AbortController().signal);
  return { code, out: Buffer.concat(out).toString(), err: err.join('\n') };
}
