import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Exit } from '@solopo/local-servers';
import { waitFor } from './wait.ts';

export interface TestChild {
  readonly pid: number;
  /** Its lines on stdout and stderr so far. */
  readonly lines: readonly string[];
  readonly exited: Promise<Exit>;
  /** The first line with the text, waited for. */
  line(text: string, timeoutMs?: number): Promise<string>;
  kill(signal?: NodeJS.Signals): void;
}

/** Runs a TypeScript source of the workspace in a Node process of its own: for tests that kill it. Ends with the test process. */
export function spawnSource(
  source: URL,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): TestChild {
  const hooks = import.meta.resolve('./source.hooks.ts');
  const flags = ['--conditions=@solopo/source', '--enable-source-maps', '--import', hooks];
  const child = spawn(process.execPath, [...flags, fileURLToPath(source), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = linesOf(child);
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      process.off('exit', end);
      exit = { code, signal };
      resolve(exit);
    });
  });
  return {
    pid: child.pid ?? 0,
    lines,
    exited,
    line: (text, timeoutMs) =>
      waitFor(
        `a line with "${text}"`,
        () => {
          const found = lines.find((line) => line.includes(text));
          if (found === undefined && exit !== undefined)
            throw new Error(`The process ended without "${text}":\n${lines.join('\n')}`);
          return found;
        },
        timeoutMs,
      ),
    kill: (signal = 'SIGKILL') => void child.kill(signal),
  };
}

function linesOf(child: ChildProcess): string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  return lines;
}
