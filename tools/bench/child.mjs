// Runs a case of cases.mjs in a process of its own, so that its peak memory is its own.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { memorySettings } from '@solopo/engine';

/** As the engine's own process is started: both sides of a benchmark take their memory so. */
export const ENVIRONMENT = { ...process.env, GLIBC_TUNABLES: memorySettings(process.env.GLIBC_TUNABLES) };

const PROGRAM = fileURLToPath(new URL('cases.mjs', import.meta.url));

/** What the case returned, with `medianSeconds` and `peakBytes`. */
export function inChild(name, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, name, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: ENVIRONMENT,
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code !== 0) reject(new Error(`case ${name} ended with ${signal ?? `exit code ${code}`}`));
      else resolve(JSON.parse(text.trim().split('\n').at(-1)));
    });
  });
}
