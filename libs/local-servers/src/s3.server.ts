import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { freePort } from './free-port.ts';
import { ServerProcess, type LocalServer } from './server.process.ts';

export interface S3Options {
  /** versitygw. */
  readonly file: string;
  /** Holds the objects, as the files `objects/BUCKET/KEY`, and what is known of them; made when missing. */
  readonly dataDir: string;
  /** Made when missing. */
  readonly buckets: readonly string[];
  readonly accessKey: string;
  readonly secretKey: string;
  /** A free one when absent. */
  readonly port?: number;
  readonly log?: (line: string) => void;
}

export interface LocalS3 extends LocalServer {
  /** As a power cut would. */
  kill(): Promise<void>;
}

const ATTEMPTS = 3;

/** Starts versitygw, an S3 server over a file system, on loopback; ready for clients when the promise resolves. */
export async function startS3(options: S3Options): Promise<LocalS3> {
  const { file, accessKey, secretKey } = options;
  const [objects, facts] = ['objects', 'facts'].map((name) => join(resolve(options.dataDir), name)) as [string, string];
  await mkdir(facts, { recursive: true });
  for (const bucket of options.buckets) await mkdir(join(objects, bucket), { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const server = await ServerProcess.spawn(
      {
        file,
        args: [
          ...['--port', `127.0.0.1:${port}`, '--access', accessKey, '--secret', secretKey, '--health', '/health'],
          // Not every file system keeps what is known of an object in attributes of its file.
          ...['posix', '--sidecar', facts, objects],
        ],
      },
      options.log,
    );
    const url = `http://127.0.0.1:${port}`;
    try {
      await server.ready('versitygw', () => probe(url));
    } catch (error) {
      if (/address already in use/.test(server.output) && options.port === undefined && attempt < ATTEMPTS) continue;
      throw error;
    }
    return {
      url,
      port,
      pid: server.pid,
      exited: server.exited,
      stop: () => server.stop(['SIGTERM', 10_000]),
      kill: () => server.stop(),
    };
  }
}

async function probe(url: string): Promise<void> {
  const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`versitygw answers ${response.status}; wait until it is up.`);
}
