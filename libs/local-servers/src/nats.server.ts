import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { freePort } from './free-port.ts';
import { ServerProcess, type LocalServer } from './server.process.ts';

export interface NatsOptions {
  /** Holds the JetStream files; made when missing. */
  readonly dataDir: string;
  /** A free one when absent. */
  readonly port?: number;
  /** A configuration file, of users and limits; its addresses and folder are not taken. */
  readonly config?: string;
  readonly log?: (line: string) => void;
}

export interface LocalNats extends LocalServer {
  /** Base of the monitoring endpoints, such as `/jsz?consumers=true`. */
  readonly monitorUrl: string;
  /** As a power cut would. */
  kill(): Promise<void>;
}

const ATTEMPTS = 3;

/** Starts nats-server with JetStream on loopback; ready for clients when the promise resolves. */
export async function startNats(options: NatsOptions): Promise<LocalNats> {
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const monitorPort = await freePort();
    const config = options.config === undefined ? [] : ['-c', options.config];
    const server = await spawnNats(
      [...config, '-a', '127.0.0.1', '-p', `${port}`, '-m', `${monitorPort}`, '-js', '-sd', dataDir],
      options.log,
    );
    const monitorUrl = `http://127.0.0.1:${monitorPort}`;
    try {
      await server.ready('nats-server', () => probe(monitorUrl));
    } catch (error) {
      if (/address already in use/.test(server.output) && options.port === undefined && attempt < ATTEMPTS) continue;
      throw error;
    }
    return {
      url: `nats://127.0.0.1:${port}`,
      monitorUrl,
      port,
      pid: server.pid,
      exited: server.exited,
      stop: () => server.stop(['SIGTERM', 10_000]),
      kill: () => server.stop(),
    };
  }
}

async function spawnNats(args: readonly string[], log?: (line: string) => void): Promise<ServerProcess> {
  const file = process.env['SOLOPO_NATS_SERVER'] ?? 'nats-server';
  try {
    return await ServerProcess.spawn({ file, args }, log);
  } catch (error) {
    throw new Error(`${file} could not be started; install nats-server, or name its file in SOLOPO_NATS_SERVER.`, {
      cause: error,
    });
  }
}

async function probe(monitorUrl: string): Promise<void> {
  const response = await fetch(`${monitorUrl}/healthz?js-enabled=true`, { signal: AbortSignal.timeout(2000) });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`nats-server answers ${response.status}; wait until JetStream is up.`);
}
