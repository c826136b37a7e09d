import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startS3 as start } from '@solopo/local-servers';
import { scratch } from './scratch.ts';

/** Where `npm run s3` builds it. */
const BUILT = new URL('../../../.solopo/s3/bin/versitygw', import.meta.url).pathname;

const server = (): string => process.env['SOLOPO_S3_SERVER'] ?? BUILT;

/** Why there can be none; undefined where there can. */
export function whyNoS3(): string | undefined {
  return existsSync(server()) ? undefined : 'versitygw, an S3 server, is not built; run npm run s3';
}

export interface TestS3 {
  /** What a service is told, its cache apart: the store is in a bucket of its own. */
  readonly settings: {
    readonly artifacts: string;
    readonly artifactsEndpoint: string;
    readonly artifactsAccessKey: string;
    readonly artifactsSecretKey: string;
  };
  readonly port: number;
  /** The objects of the store as files. */
  readonly objects: string;
  stop(): Promise<void>;
  /** Ends the server as kill -9 would; `restart` brings it back with the same objects. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** A real S3 server on a free port, which keeps its objects in a new folder or in the given one. */
export async function startS3(options: { readonly dataDir?: string } = {}): Promise<TestS3> {
  const place = scratch('s3');
  const dataDir = options.dataDir ?? join(place.folder, 'data');
  const keys = { accessKey: 'solopo', secretKey: 'a-secret-of-tests' };
  const settings = { file: server(), dataDir, buckets: ['artifacts'], ...keys };
  let running = await start(settings);
  place.watch(running.pid);
  const { url, port } = running;
  return {
    settings: {
      artifacts: 's3://artifacts/solopo/tests',
      artifactsEndpoint: url,
      artifactsAccessKey: keys.accessKey,
      artifactsSecretKey: keys.secretKey,
    },
    port,
    objects: join(dataDir, 'objects', 'artifacts', 'solopo', 'tests'),
    stop: async () => {
      await running.stop();
      place.forget();
      await place.remove();
    },
    kill: () => running.kill(),
    restart: async () => {
      await running.stop();
      place.forget();
      running = await start({ ...settings, port });
      place.watch(running.pid);
    },
  };
}
