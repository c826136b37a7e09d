import { join } from 'node:path';
import { startNats as start } from '@solopo/local-servers';
import { scratch } from './scratch.ts';

export interface TestNats {
  readonly url: string;
  readonly port: number;
  readonly monitorUrl: string;
  stop(): Promise<void>;
  /** Ends the server as kill -9 would; `restart` brings it back with the same files. */
  kill(): Promise<void>;
  /** On the same port, after `kill`, or at once after an orderly stop. */
  restart(): Promise<void>;
  /** The files of the server: after `kill`, what is changed here is what it finds. */
  readonly dataDir: string;
}

/** A real nats-server with JetStream on a free port; `config` is a configuration file, of users and limits. */
export async function startNats(options: { readonly config?: string } = {}): Promise<TestNats> {
  const place = scratch('nats');
  const dataDir = join(place.folder, 'data');
  let server = await start({ ...options, dataDir });
  place.watch(server.pid);
  const { url, port } = server;
  return {
    url,
    port,
    dataDir,
    get monitorUrl() {
      return server.monitorUrl;
    },
    stop: async () => {
      await server.stop();
      place.forget();
      await place.remove();
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      place.forget();
      server = await start({ ...options, dataDir, port });
      place.watch(server.pid);
    },
  };
}
