import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs the command line client on this terminal; gives its exit code. */
export async function runClient(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<number> {
  const client = spawn(process.execPath, ['--enable-source-maps', script, ...args], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const end = () => void client.kill('SIGTERM');
  if (signal?.aborted) end();
  signal?.addEventListener('abort', end);
  const [code] = (await once(client, 'exit')) as [number | null];
  signal?.removeEventListener('abort', end);
  return code ?? 130;
}
