// The other side of a comparison, in the same run: tools/peers/run NAME OPTIONS is PyTorch's; tools/peers/llama and /vllm are sides
// of side.mjs.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENT } from './child.mjs';

const PROGRAM = fileURLToPath(new URL('../peers/run', import.meta.url));
const HOME = fileURLToPath(new URL('../../.solopo/peers', import.meta.url));

/** What says that a peer is installed, a file of its folder; where one may be that was installed otherwise; whether it is when asked for. */
const PEERS = {
  torch: { file: 'requirements.txt', variable: 'SOLOPO_PYTHON', onDemand: true },
  llama: { file: 'versions', variable: 'SOLOPO_LLAMA', onDemand: true },
  vllm: { file: 'versions', variable: 'SOLOPO_VLLM', onDemand: false },
};

/** Whether it is to be measured; `asked` is true or false where the caller says, as --peers and --no-peers do. */
export function hasPeer(name, asked) {
  const { file, variable, onDemand } = PEERS[name];
  if (asked === false) return false;
  const installed = process.env[variable] !== undefined || existsSync(join(HOME, name, file));
  return installed || (asked === true && onDemand);
}

/** Of a peer that is a side. */
export const peerProgram = (name) => fileURLToPath(new URL(`../peers/${name}/run`, import.meta.url));

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
