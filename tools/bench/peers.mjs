// The PyTorch side: tools/peers/run NAME OPTIONS, in the same run as what it is compared with.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENT } from './child.mjs';

const PROGRAM = fileURLToPath(new URL('../peers/run', import.meta.url));

/** Figures of a peer by name: { seconds, medianSeconds, peakRssBytes, flops, details } or { outOfMemory: true }. */
export async function peer(name, options) {
  const folder = mkdtempSync(join(tmpdir(), 'solopo-bench-'));
  try {
    const file = join(folder, 'peer.json');
    const { only = [], ...flags } = options;
    const args = [
      ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]),
      ...only.flatMap((text) => ['--only', text]),
    ];
    await new Promise((resolve, reject) => {
      const child = spawn(PROGRAM, [name, ...args, '--json', file], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: ENVIRONMENT,
      });
      child.on('error', reject);
      child.on('close', (code) =>
        code === 0 ? resolve() : reject(new Error(`tools/peers/run ${name} ${args.join(' ')} ended with ${code}`)),
      );
    });
    const { figures, versions } = JSON.parse(readFileSync(file, 'utf8'));
    return { versions, of: new Map(figures.map((figure) => [figure.name, figure])) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
