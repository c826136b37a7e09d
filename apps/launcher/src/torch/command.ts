import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Outcome {
  readonly ok: boolean;
  /** What it wrote to both, without white space around it; why it could not be started. */
  readonly output: string;
}

/** Runs a program to its end and keeps what it says. One that is not there is one that fails. */
export function ask(program: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, [...args], { encoding: 'utf8' }, (error, stdout, stderr) => {
      const isStarted = typeof error?.code !== 'string';
      resolve({ ok: error === null, output: isStarted ? `${stdout}${stderr}`.trim() : error.message });
    });
  });
}

/** Runs a program on this terminal; gives its exit code, null where a signal ended it. */
export async function show(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number | null> {
  const child = spawn(program, [...args], { stdio: 'inherit', env: { ...process.env, ...env } });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}
