import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Runs a program to its end; `output` is stdout and stderr together. Status 127: there is no such program. */
export function run(program, args, { cwd = ROOT, env = process.env } = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (error?.code === 'ENOENT') return { status: 127, output: `${program} was not found` };
  if (error) throw error;
  return { status: status ?? 130, output: `${stdout}${stderr}`.trim() };
}

export function fail(message) {
  console.error(`solopo: ${message}`);
  process.exit(1);
}
