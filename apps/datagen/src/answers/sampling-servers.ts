import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, Resources } from '@solopo/platform';
import { SamplingServer, settingsOf } from '@solopo/sampling-server';
import type { WorkerConfig } from '@solopo/worker';

/** The servers that this worker may ask, each made when it is first named. */
@Injectable()
export class SamplingServers {
  readonly #servers = new Map<string, SamplingServer>();

  constructor(
    @Inject(CONFIG) private readonly config: WorkerConfig,
    @Inject(Resources) resources: Resources,
  ) {
    resources.defer('sampling servers', () => this.#servers.forEach((server) => server.close()));
  }

  /** @throws SolopoError `config-invalid` for one that the configuration does not name */
  of(url: string): SamplingServer {
    const known = this.#servers.get(url);
    if (known) return known;
    const server = new SamplingServer(settingsOf(this.config.samplers, url));
    this.#servers.set(url, server);
    return server;
  }
}
