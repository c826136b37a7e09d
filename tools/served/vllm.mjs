// A vLLM server of the environment SOLOPO_VLLM (tools/peers/vllm/setup makes one for processors), as long as it is wanted.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../bootstrap/run.mjs';

const START_MINUTES = 20;
const TOLD_LINES = 20;

/** The environment's folder, or undefined where there is none. */
export function vllmHome() {
  const home = process.env.SOLOPO_VLLM ?? join(ROOT, '.solopo/peers/vllm');
  return existsSync(join(home, 'bin/python')) ? home : undefined;
}

export class Vllm {
  #child;
  #lines = [];
  url = '';

  /** @param log told every line that it writes */
  static spawn(home, { model, name, rank, port, contextLength, dtype, threads, log = () => undefined }) {
    const server = new Vllm();
    server.url = `http://127.0.0.1:${port}`;
    server.#child = spawn(
      join(home, 'bin/python'),
      [
        ...['-m', 'vllm.entrypoints.cli.main', 'serve', model, '--served-model-name', name],
        ...['--host', '127.0.0.1', '--port', `${port}`, '--dtype', dtype],
        ...[
          '--max-model-len',
          `${contextLength}`,
          '--enforce-eager',
          '--enable-lora',
          '--max-lora-rank',
          `${roundedRank(rank)}`,
        ],
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        // Its engine is a process of its own: both end together.
        detached: true,
        env: {
          ...process.env,
          VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
          // --enforce-eager leaves helpers that are compiled by g++ at the first request.
          TORCHDYNAMO_DISABLE: '1',
          OMP_NUM_THREADS: `${threads}`,
          VLLM_CPU_KVCACHE_SPACE: '1',
          VLLM_CPU_OMP_THREADS_BIND: 'nobind',
          HF_HUB_OFFLINE: '1',
          VLLM_NO_USAGE_STATS: '1',
          DO_NOT_TRACK: '1',
        },
      },
    );
    for (const stream of [server.#child.stdout, server.#child.stderr])
      stream.on('data', (bytes) => {
        const lines = String(bytes).split('\n').filter(Boolean);
        lines.forEach(log);
        server.#lines = [...server.#lines, ...lines].slice(-TOLD_LINES);
      });
    return server;
  }

  async close() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    process.kill(-this.#child.pid, 'SIGTERM');
    const late = setTimeout(() => process.kill(-this.#child.pid, 'SIGKILL'), 20_000);
    await ended;
    clearTimeout(late);
  }

  /** Waits until it answers. */
  async ready() {
    const until = Date.now() + START_MINUTES * 60_000;
    while (Date.now() < until) {
      if (this.#child.exitCode !== null)
        throw new Error(`vLLM ended with ${this.#child.exitCode}:\n${this.#lines.join('\n')}`);
      const answer = await fetch(`${this.url}/health`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(500);
    }
    await this.close();
    throw new Error(`vLLM was not ready in ${START_MINUTES} minutes:\n${this.#lines.join('\n')}`);
  }
}

/** Of those that vLLM takes. */
const roundedRank = (rank) => [8, 16, 32, 64, 128, 256, 320, 512].find((each) => each >= rank) ?? rank;

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
